//! An admin's key: made here, kept in a file, used to sign orders.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use pehra_asking::Asking;
use pehra_cluster::Cluster;
use pehra_cluster::signed::AdminSecret;
use serde_json::json;

/// Make an admin's key: the secret into a file, the line for the cluster's file on the screen
///
/// With `[admin] key = "…"` in the cluster's file, nodes carry out what can lead towards sleep only if it is signed: enable,
/// maintenance, stay-awake --off, transfer, drain, resign. Give such commands with --admin-key FILE. What only wakes (wake, disable,
/// stay-awake) never needs a key. Signing needs clocks that are right within a minute.
///
/// Without [tls] in the cluster's file, signatures protect orders and nothing else: whoever reaches the nodes' ports can still
/// read all and pass for a node.
///
/// Examples:
///   pehra admin-key --out admin.key
///   pehra enable --config cluster.toml --admin-key admin.key
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Where the secret goes: a new file that only you can read
    #[arg(long)]
    out: PathBuf,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// How orders are signed.
#[derive(Debug, clap::Args)]
pub struct Signing {
    /// The file with the secret of `pehra admin-key`; needed if the cluster's file has [admin]
    #[arg(long, env = "PEHRA_ADMIN_KEY")]
    admin_key: Option<PathBuf>,
}

impl Signing {
    /// Begins to connect, with the key at hand.
    pub fn over(&self, cluster: &Cluster) -> Result<Asking, String> {
        let secret = self.admin_key.as_deref().map(read).transpose()?;
        match (&secret, &cluster.admin) {
            (Some(secret), Some(known)) if secret.public() != *known => {
                let path = cluster.path.display();
                return Err(format!(
                    "--admin-key: this key is {}, and the one in {path} is {known}: use the file that belongs to it",
                    secret.public()
                ));
            }
            (Some(_), None) => eprintln!(
                "pehra: warning: {} has no [admin], so no node looks at signatures",
                cluster.path.display()
            ),
            _ => {}
        }
        Ok(Asking::new(cluster)?.signing(secret))
    }
}

pub fn run(args: &Args) -> Result<ExitCode, String> {
    let secret = AdminSecret::new(&rand::random());
    let path = args.out.display();
    let fail = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            format!(
                "--out {path}: there is a file already, and a key that was lost cannot be made again: name another one"
            )
        }
        _ => format!("--out {path}: {error}"),
    };
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&args.out)
        .map_err(fail)?;
    writeln!(file, "{}", secret.write())
        .and_then(|()| file.sync_all())
        .map_err(fail)?;
    let key = secret.public().to_string();
    if args.json {
        println!("{}", json!({ "file": args.out, "key": key }));
    } else {
        println!("the secret is in {path}: keep it, and show it to nobody");
        println!("in the cluster's file, whose number you then raise:\n\n[admin]\nkey = \"{key}\"");
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<AdminSecret, String> {
    let wrong = |what: String| format!("--admin-key {}: {what}", path.display());
    let text = std::fs::read_to_string(path)
        .map_err(|error| wrong(format!("{error}; `pehra admin-key --out FILE` makes one")))?;
    let mode = std::fs::metadata(path).map_or(0, |file| file.permissions().mode());
    if mode & 0o077 != 0 {
        return Err(wrong(format!("other users can read it: chmod 600 {}", path.display())));
    }
    AdminSecret::read(&text).map_err(wrong)
}
