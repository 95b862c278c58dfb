//! Running an example, and a folder for it.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, ChildStderr, ChildStdout, Command, Stdio},
    sync::{mpsc, Arc, Mutex},
    thread,
    time::Duration,
};

/// Nothing here takes long; what does, hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// The example's executable, which lies beside the folder of this one.
pub(crate) fn example(name: &str) -> Command {
    let deps = env::current_exe().unwrap().parent().unwrap().to_owned();
    let path = deps.with_file_name("examples").join(name).with_extension(env::consts::EXE_EXTENSION);
    assert!(path.is_file(), "{} is not built: run plain `cargo test`, which builds the examples first", path.display());
    let mut command = Command::new(path);
    command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A running example; killed when it takes too long or is let go.
pub(crate) struct Process {
    pub(crate) child: Arc<Mutex<Child>>,
    /// `None` if it was sent elsewhere.
    pub(crate) stdout: Option<BufReader<ChildStdout>>,
    pub(crate) stderr: Option<ChildStderr>,
    /// Dropped with this; the watchdog then goes home.
    _finished: mpsc::Sender<()>,
}

/// What an example has told when it has ended.
pub(crate) struct Told {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: Option<i32>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (stdout, stderr) = (child.stdout.take().map(BufReader::new), child.stderr.take());
        let child = Arc::new(Mutex::new(child));
        let (finished_tx, finished) = mpsc::channel::<()>();
        let watched = Arc::clone(&child);
        thread::spawn(move || {
            if finished.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = watched.lock().unwrap().kill();
            }
        });
        Self { child, stdout, stderr, _finished: finished_tx }
    }

    /// The next line of its stdout.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.as_mut().unwrap().read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// By its name with a dash, as `kill` takes it.
    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.lock().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Waits for its end. Both pipes are read meanwhile, or a full one would hold it up.
    pub(crate) fn finish(mut self) -> Told {
        let mut stderr = self.stderr.take().unwrap();
        let stderr = thread::spawn(move || {
            let mut told = String::new();
            stderr.read_to_string(&mut told).map(|_| told).unwrap()
        });
        let mut told = Told { stdout: String::new(), stderr: String::new(), code: None };
        if let Some(mut stdout) = self.stdout.take() {
            stdout.read_to_string(&mut told.stdout).unwrap();
        }
        told.stderr = stderr.join().unwrap();
        // Not before both are at their end: the watchdog needs this lock to end what hangs.
        told.code = self.child.lock().unwrap().wait().unwrap().code();
        told
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(mut child) = self.child.lock() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A folder of a test's own, gone when the test is over.
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
}

impl Folder {
    pub(crate) fn new(test: &str) -> Self {
        let path = env::temp_dir().join(format!("actix-dynamic-supervisor-{}-{test}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self { path }
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let file = self.path.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, content).unwrap();
        file
    }

    /// All files in it, at any depth.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let (mut files, mut folders) = (Vec::new(), vec![self.path.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { &mut folders } else { &mut files }.push(path);
            }
        }
        files
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
