//! Links between the nodes of a cluster that can be cut, each way by itself: between hosts, which are network name spaces
//! behind a router, where the machine allows it, and through TCP proxies on loopback anywhere.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use pehra_testbed::process::{Process, wait_until};
use pehra_testbed::proxy::{Direction, Proxy};

use super::{Cluster, PATIENCE};

/// The links of a cluster.
pub trait Links {
    /// What `from` sends does not reach `to` any more, and nobody is told.
    fn cut(&self, from: usize, to: usize);
    /// All is as it was.
    fn heal(&self);

    /// Cuts both ways.
    fn part(&self, one: usize, other: usize) {
        self.cut(one, other);
        self.cut(other, one);
    }
}

/// A proxy on loopback for each two nodes; the one with the larger id dials through it.
pub struct Proxies(BTreeMap<(usize, usize), Proxy>);

impl Proxies {
    /// Puts proxies between the nodes of a cluster of which none has been started.
    pub fn between(cluster: &Cluster) -> Self {
        let count = cluster.ports.len();
        let mut proxies = BTreeMap::new();
        for dialler in 0..count {
            let mut addresses: Vec<SocketAddr> = (0..count).map(|id| cluster.address(id)).collect();
            for (dialled, address) in addresses.iter_mut().enumerate().take(dialler) {
                let proxy = Proxy::start(*address);
                *address = proxy.address();
                proxies.insert((dialled, dialler), proxy);
            }
            cluster.write_addresses(&format!("cluster-{dialler}.toml"), 1, &addresses, "");
        }
        Self(proxies)
    }
}

impl Links for Proxies {
    fn cut(&self, from: usize, to: usize) {
        let way = if from > to {
            Direction::ToTarget
        } else {
            Direction::FromTarget
        };
        self.0[&(from.min(to), from.max(to))].stall(way);
    }

    fn heal(&self) {
        self.0.values().for_each(Proxy::resume);
    }
}

/// A host for each node. This process is the router between them, so it must have a network name space of its own.
pub struct Hosts {
    hosts: Vec<Process>,
    cuts: Mutex<Vec<[String; 4]>>,
}

impl Hosts {
    /// Makes a host for each node of a cluster of which none has been started.
    pub fn of(cluster: &mut Cluster) -> Self {
        let made = Self::new(cluster.ports.len());
        for id in 0..cluster.ports.len() {
            cluster.hosts[id] = Self::address(id).into();
        }
        cluster.write_config("cluster.toml", 1, &cluster.ports);
        let names: Vec<String> = (0..made.hosts.len()).map(|id| made.name_space(id)).collect();
        cluster.wrap = Some(Box::new(move |id, _| {
            let mut command = Command::new("nsenter");
            command.arg(format!("--net={}", names[id]));
            command
        }));
        made
    }

    /// So many hosts, with the numbers from 0.
    pub fn new(count: usize) -> Self {
        ip("link set lo up");
        fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("packets are forwarded");
        let outside = name_space("self");
        let mut hosts = Vec::new();
        for id in 0..count {
            let mut command = Command::new("unshare");
            command.args(["--net", "sleep", "1200"]).stdin(Stdio::null());
            let host = Process::start(&mut command, "apt-get install -y util-linux");
            let pid = host.pid().to_string();
            wait_until("the host is there", PATIENCE, || name_space(&pid) != outside);
            ip(&format!("link add name host{id} type veth peer name eth0 netns {pid}"));
            ip(&format!("addr add 10.77.{id}.1/24 dev host{id}"));
            ip(&format!("link set host{id} up"));
            let inside = format!("--net=/proc/{pid}/ns/net");
            for order in [
                format!("addr add 10.77.{id}.2/24 dev eth0"),
                "link set eth0 up".to_owned(),
                "link set lo up".to_owned(),
                format!("route add default via 10.77.{id}.1"),
            ] {
                run(Command::new("nsenter").args([&inside, "ip"]).args(order.split(' ')));
            }
            hosts.push(host);
        }
        Self {
            hosts,
            cuts: Mutex::default(),
        }
    }

    /// Where a host is reached.
    pub fn address(id: usize) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, u8::try_from(id).expect("few hosts"), 2)
    }

    /// The file that is its name space.
    pub fn name_space(&self, id: usize) -> String {
        format!("/proc/{}/ns/net", self.hosts[id].pid())
    }

    /// Does something as a process of this host would do it.
    pub fn inside<R: Send>(&self, id: usize, act: impl FnOnce() -> R + Send) -> R {
        let path = self.name_space(id);
        let work = move || {
            let file = fs::File::open(path).expect("the host's name space");
            let network = Some(rustix::thread::LinkNameSpaceType::Network);
            rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&file), network)
                .expect("it may be entered");
            act()
        };
        // A thread of its own: it does not come back.
        std::thread::scope(|scope| scope.spawn(work).join().expect("no panic"))
    }
}

impl Links for Hosts {
    fn cut(&self, from: usize, to: usize) {
        let rule = [
            "iif".into(),
            format!("host{from}"),
            "to".into(),
            format!("10.77.{to}.2"),
        ];
        ip(&format!("rule add {} blackhole", rule.join(" ")));
        self.cuts.lock().expect("nobody panics with it").push(rule);
    }

    fn heal(&self) {
        for rule in self.cuts.lock().expect("nobody panics with it").drain(..) {
            ip(&format!("rule del {} blackhole", rule.join(" ")));
        }
    }
}

fn name_space(pid: &str) -> Option<std::path::PathBuf> {
    fs::read_link(Path::new("/proc").join(pid).join("ns/net")).ok()
}

fn ip(order: &str) {
    run(Command::new("ip").args(order.split(' ')));
}

fn run(command: &mut Command) {
    let output = command.output().expect("it can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

/// The command that starts another in a network name space of its own.
pub fn in_own_network() -> Command {
    let mut command = Command::new("unshare");
    command.arg("--net");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command
}

/// Why this machine does not allow hosts; none if it does.
///
/// # Panics
/// If `ip` is not installed.
pub fn hosts_are_forbidden() -> Option<String> {
    let missing = "`ip` is not installed, and this test needs it. Install it with: apt-get install -y iproute2";
    Command::new("ip").arg("-V").output().expect(missing);
    let tried = "ip link add name one type veth peer name other && ip rule add iif one to 10.9.9.9 blackhole && \
                 echo 1 >/proc/sys/net/ipv4/ip_forward && unshare --net true";
    let output = in_own_network().args(["sh", "-c", tried]).output();
    let output = output.expect("unshare is a part of every Debian");
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).trim().to_owned())
}
