//! Whether an error is about this machine, which has too little of something, and not about what was asked of it.

use std::io;

use rustix::io::Errno;

/// What there may be too little of: files, ports, memory, processes.
const LACKS: [Errno; 6] = [
    Errno::MFILE,
    Errno::NFILE,
    Errno::ADDRNOTAVAIL,
    Errno::NOBUFS,
    Errno::NOMEM,
    Errno::AGAIN,
];

/// True where the same would have come of anything else that was asked just then.
pub(super) fn is_lack(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(|error| LACKS.contains(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_no_lack_and_a_fork_that_is_refused_is_one() {
        for (error, lack) in [
            (Errno::AGAIN, true),
            (Errno::NOMEM, true),
            (Errno::NFILE, true),
            (Errno::NOENT, false),
            (Errno::ACCESS, false),
            (Errno::CONNREFUSED, false),
        ] {
            assert_eq!(is_lack(&error.into()), lack, "{error}");
        }
        assert!(!is_lack(&io::Error::other("of no system call")));
    }
}
