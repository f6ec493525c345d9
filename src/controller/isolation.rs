//! A panic that tests ask for: they prove by it that one app harms no other.

/// Panics where the app is called as the variable says. No program that is built for release reads it.
pub(super) fn inject(app: &str) {
    let named = std::env::var("CUTWATER_TEST_PANIC");
    assert!(
        named.is_err() || named.is_ok_and(|named| named != app),
        "a test asked for it"
    );
}
