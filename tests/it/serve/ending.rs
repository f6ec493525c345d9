//! How programs end, and `serve` with them: what they must not see, and what must not be left.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Standalone, app, until};

/// A server that changes its own files and leaves a child, and takes leave of whoever listens to its events.
const STREAMS: &str = r#"
import http.server, os, signal, subprocess, threading
folder, told = "DIR", threading.Event()
with open(folder + "/starts", "a") as starts:
    starts.write(open("number").read() + " ")
os.chmod("number", 0o644)
with open("number", "a") as number:
    number.write("changed")
subprocess.Popen(["sleep", "1000"])
signal.signal(signal.SIGTERM, lambda *_: told.set())
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        if self.path != "/events":
            self.end_headers()
            return
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.end_headers()
        self.wfile.write(b"data: hello\n\n")
        told.wait()
        self.wfile.write(b"data: bye\n\n")
        self.wfile.flush()
        os._exit(0)
    def log_message(self, *args):
        pass
threading.Thread(target=http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever).start()
"#;

impl Standalone {
    /// The guard of a program, and the program.
    fn pair(&self) -> Option<(Pid, Pid)> {
        let (mut guard, mut program) = (None, None);
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let here = std::fs::read_link(entry.path().join("cwd"));
            if !here.is_ok_and(|here| here.starts_with(self.state())) {
                continue;
            }
            let line = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
            let pid = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            let pid = pid.and_then(Pid::from_raw);
            match (line.contains("guard"), line.ends_with("other.py\0")) {
                (true, true) => guard = pid,
                (false, true) => program = pid,
                _ => {}
            }
        }
        guard.zip(program)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_to_a_probe_nothing_is_left_of_a_program_and_streams_end_in_order() {
    let mut standalone = Standalone::of(1);
    standalone.drain = "60s";
    standalone.more = ["--stop-delay", "0s"].map(str::to_owned).into();
    standalone.environment = vec![
        ("CUTWATER_WEBHOOK_SECRET", "hook-secret"),
        ("CUTWATER_SECRET_PREVIEW_KEY", "preview-secret"),
        ("AWS_SECRET_ACCESS_KEY", "cloud-secret"),
    ];
    let dir = standalone.shop.dir.path().to_owned();
    let shown = dir.display();
    let probe = format!(
        "    livenessProbe: {{exec: {{command: [sh, -c, 'env > {shown}/env.new; mv {shown}/env.new {shown}/env; sleep 1000 & exit 0']}}, periodSeconds: 1, timeoutSeconds: 10}}\n    local:"
    );
    let app = app("[python3, other.py]").replace("    local:", &probe);
    standalone.publish_program_as(&STREAMS.replace("DIR", dir.to_str().unwrap()), &app);
    standalone.deploy(&[(2, "100")]);
    standalone.start().await;
    standalone.serves(&[(2, "100")]).await;

    // A probe has the environment of its program, and no other.
    let env = until("the probe has said what it sees", async || {
        std::fs::read_to_string(dir.join("env")).ok()
    })
    .await;
    assert!(env.contains("PORT=") && !env.contains("secret"), "{env}");

    // A guard takes no notice of a signal that is meant for serve; one that is killed takes its program with it.
    let Some((guard, program)) = standalone.pair() else {
        panic!("there is no program: {:?}", standalone.programs());
    };
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        kill_process(guard, signal).unwrap();
    }
    kill_process(guard, Signal::KILL).unwrap();
    until("another program serves", async || {
        let (_, now) = standalone.pair()?;
        (now != program && standalone.get(&[]).await.0 == 200).then_some(())
    })
    .await;
    until("nothing is left of the first, and of probes", async || {
        // A guard, the program and its child.
        (standalone.programs().len() == 3).then_some(())
    })
    .await;

    // It started with the files of its version again.
    let starts = std::fs::read_to_string(dir.join("starts")).unwrap();
    let starts: Vec<&str> = starts.split_whitespace().collect();
    assert!(
        starts.len() > 1 && starts.iter().all(|it| *it == starts[0]),
        "{starts:?}"
    );
    assert!(
        standalone.log().contains("its files were changed"),
        "{}",
        standalone.log()
    );

    // Told to stop, also as a terminal does that is closed, it lets the program take leave of the client.
    let mut client = TcpStream::connect(standalone.gateway).await.unwrap();
    let request = b"GET /events HTTP/1.0\r\nHost: shop.localhost\r\n\r\n";
    client.write_all(request).await.unwrap();
    let mut heard = String::new();
    let mut buffer = [0; 1024];
    while !heard.contains("hello") {
        let count = client.read(&mut buffer).await.unwrap();
        assert!(count > 0, "{heard}");
        heard += &String::from_utf8_lossy(&buffer[..count]);
    }
    let mut serving = standalone.serving.take().unwrap();
    let asked = Instant::now();
    let pid = Pid::from_raw(i32::try_from(serving.id()).unwrap()).unwrap();
    kill_process(pid, Signal::HUP).unwrap();
    client.read_to_string(&mut heard).await.unwrap();
    assert!(heard.ends_with("data: bye\n\n"), "{heard}");
    let ended = until("serve has ended", async || serving.ended()).await;
    assert!(ended.success(), "{ended}: {}", serving.tail());
    assert!(
        asked.elapsed() < Duration::from_secs(30),
        "it waited for the stream"
    );
    assert!(standalone.programs().is_empty());
}
