//! Kafka itself: its jars, and Java to run them.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Archive, Error, archive};

/// What installs what this needs, on Debian.
pub const INSTALL: &str = "apt-get install -y default-jre-headless maven";

/// Kafka's brokers run on this Java or a newer one.
const JAVA_MIN: u32 = 17;

/// A small heap, and a machine that is quick to start rather than quick for long. What Java itself has to say goes where it does
/// not stand between a tool's own lines.
const OPTIONS: [&str; 6] = [
    "-Xms48m",
    "-Xmx192m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
];

/// Our own project file: only names what to fetch.
const POM: &str = include_str!("../kafka/pom.xml");

/// How a node logs.
const LOG4J: &str = include_str!("../kafka/log4j2.xml");

/// The part of Maven that fetches.
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/// In the folder of the jars: the list that was fetched, so that another list is fetched anew.
const COMPLETE: &str = ".complete";

/// Where Kafka is kept, once it has been fetched.
#[derive(Clone, Debug)]
pub struct Jars {
    folder: PathBuf,
    archive: Archive,
}

/// What is missing on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lacking {
    /// Kafka has not been fetched, but can be.
    Jars,
    /// There is no Java.
    Java,
    /// Java is there in this version, which is too old.
    NewerJava(u32),
    /// Kafka has not been fetched, and there is nothing to fetch it with.
    Maven,
}

impl Jars {
    /// The version of Kafka.
    #[must_use]
    pub fn version() -> &'static str {
        let after = POM.split_once("<kafka.version>").map_or("", |(_, after)| after);
        after.split_once('<').map_or("", |(version, _)| version)
    }

    /// What is missing before a node can be started; none if nothing is.
    #[must_use]
    pub fn lacking() -> Option<Lacking> {
        match java_says().as_deref().and_then(major) {
            None => Some(Lacking::Java),
            Some(major) if major < JAVA_MIN => Some(Lacking::NewerJava(major)),
            Some(_) if folder().is_ok_and(|folder| is_complete(&folder)) => None,
            Some(_) if runs("mvn", "--version") => Some(Lacking::Jars),
            Some(_) => Some(Lacking::Maven),
        }
    }

    /// Fetches them and has Java read their classes once ([`Archive`]), unless that was done before; a process that would fetch the
    /// same waits meanwhile.
    ///
    /// # Errors
    /// Java or Maven is missing, or Maven cannot fetch them; they cannot be written.
    pub fn fetch() -> Result<Self, Error> {
        let jars = folder()?;
        let lock = jars.with_extension("lock");
        if let Some(caches) = jars.parent() {
            fs::create_dir_all(caches).map_err(Error::file(caches))?;
        }
        // Held until the end of this function, also by other processes that would fetch the same.
        let held = File::create(&lock).map_err(Error::file(&lock))?;
        held.lock().map_err(Error::file(&lock))?;
        if !is_complete(&jars) {
            fetch_into(&jars)?;
        }
        // Whoever fetched it may have been an older build, which wrote another one.
        write_new(&jars.join("log4j2.xml"), LOG4J)?;
        let said = java_says().ok_or_else(|| Error::Program {
            name: "java",
            error: std::io::ErrorKind::NotFound.into(),
        })?;
        Ok(Self {
            archive: archive::of(&jars, &build(&said))?,
            folder: jars,
        })
    }

    /// Java with a small heap and these jars; a class and its arguments follow.
    #[must_use]
    pub fn java(&self) -> Command {
        let mut command = plain_java(&self.folder);
        command.args(self.archive.option());
        command
    }

    /// What starts a node with these properties. It logs to standard output.
    #[must_use]
    pub fn node(&self, properties: &Path) -> Command {
        let mut command = self.java();
        command.args(node_arguments(&self.folder, properties));
        command
    }

    /// One of Kafka's own tools, such as `org.apache.kafka.tools.TopicCommand`, ready to be started.
    #[must_use]
    pub fn tool(&self, class: &str, arguments: &[&str]) -> Command {
        let mut command = self.java();
        // What it says on standard output is for its caller.
        command.arg("-Dlog4j2.level=OFF").arg(class).args(arguments);
        command
    }

    /// Where they are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether Java finds their classes as it has read them once.
    #[must_use]
    pub const fn archive(&self) -> &Archive {
        &self.archive
    }
}

/// Java with the jars of this folder, and without an archive. The class path holds a star, which Java itself must see.
pub(crate) fn plain_java(jars: &Path) -> Command {
    let mut command = Command::new("java");
    command.env("CLASSPATH", jars.join("*")).args(OPTIONS);
    command
}

/// What Java is told to be a node with these properties.
pub(crate) fn node_arguments(jars: &Path, properties: &Path) -> [OsString; 3] {
    let log4j = jars.join("log4j2.xml");
    [
        format!("-Dlog4j2.configurationFile=file:{}", log4j.display()).into(),
        "kafka.Kafka".into(),
        properties.into(),
    ]
}

fn folder() -> Result<PathBuf, Error> {
    let caches = std::env::var_os("XDG_CACHE_HOME")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    let caches = caches.ok_or(Error::NoHome)?;
    Ok(caches.join("pehra").join(format!("kafka-{}", Jars::version())))
}

fn is_complete(jars: &Path) -> bool {
    fs::read_to_string(jars.join(COMPLETE)).is_ok_and(|fetched| fetched == POM)
}

fn fetch_into(jars: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(jars) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Error::file(jars)(error)),
        Ok(()) | Err(_) => {}
    }
    fs::create_dir_all(jars).map_err(Error::file(jars))?;
    let pom = jars.join("pom.xml");
    fs::write(&pom, POM).map_err(Error::file(&pom))?;
    let output = Command::new("mvn")
        .args(["-q", "-B", "-f"])
        .arg(&pom)
        .arg(COPY)
        .arg(format!("-DoutputDirectory={}", jars.display()))
        .arg("-DincludeScope=runtime")
        .stdin(Stdio::null())
        .output()
        .map_err(Error::program("mvn"))?;
    let what = || {
        let version = Jars::version();
        format!("fetching Kafka {version} with Maven (is the network there?)")
    };
    Error::unless_done(what, &output)?;
    let complete = jars.join(COMPLETE);
    fs::write(&complete, POM).map_err(Error::file(&complete))
}

/// Leaves a file that is as it should be alone: nodes that start read it.
fn write_new(path: &Path, text: &str) -> Result<(), Error> {
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    fs::write(path, text).map_err(Error::file(path))
}

fn runs(program: &str, argument: &str) -> bool {
    let mut command = Command::new(program);
    let output = command.arg(argument).stdin(Stdio::null()).output();
    output.is_ok_and(|output| output.status.success())
}

/// What Java says of its version; none if there is no Java, or none that works.
fn java_says() -> Option<String> {
    let mut java = Command::new("java");
    let output = java.arg("-version").stdin(Stdio::null()).output().ok()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    major(&said).is_some().then_some(said)
}

/// 17 for `openjdk version "17.0.13"`.
fn major(said: &str) -> Option<u32> {
    let (_, version) = said.split_once("version \"")?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// `17.0.15+6-Debian-1deb12u1` for `… (build 17.0.15+6-Debian-1deb12u1)`, as a part of a file's name: Java takes no archive of another
/// build, even of the same version.
fn build(said: &str) -> String {
    let build = said
        .split_once("(build ")
        .and_then(|(_, build)| build.split_once([')', ',']));
    let build = build.map_or("unknown", |(build, _)| build);
    let in_names = |letter: char| letter.is_ascii_alphanumeric() || "+-._".contains(letter);
    build
        .chars()
        .map(|letter| if in_names(letter) { letter } else { '_' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_kafka_is_read_from_the_list() {
        assert!(
            Jars::version().split('.').all(|part| part.parse::<u32>().is_ok()),
            "{:?}",
            Jars::version()
        );
    }

    #[test]
    fn the_version_of_java_is_read() {
        let said =
            "openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime Environment (build 17.0.15+6-Debian-1deb12u1)\n…";
        assert_eq!((major(said), &*build(said)), (Some(17), "17.0.15+6-Debian-1deb12u1"));
        assert_eq!(major("openjdk version \"21\" 2023-09-19"), Some(21));
        // So Java 8 called itself.
        assert_eq!(major("java version \"1.8.0_292\""), Some(1));
        assert_eq!(major("java: command not found"), None);
        assert_eq!(build("(build a/../b c, mixed mode)"), "a_.._b_c");
    }
}
