//! What can be built and launched: the IR against what mvm supports and what the host has. A refusal names the field.

use serde::Serialize;
use workload_ir::{App, Dns, Entrypoint, Format, Image, MountSource, Proto, Workload};

use crate::{Error, ErrorKind, Result};

/// What the host can give to one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HostLimits {
    /// Processors that this process may use.
    pub cpus: u32,
    /// Memory in MiB, all of it.
    pub memory_mb: u64,
}

impl HostLimits {
    /// Of this host. What cannot be read does not limit.
    pub fn detect() -> Self {
        let cpus = std::thread::available_parallelism()
            .map_or(u32::MAX, |n| u32::try_from(n.get()).unwrap_or(u32::MAX));
        let memory_mb = std::fs::read_to_string("/proc/meminfo")
            .ok()
            .and_then(|text| total_mb(&text))
            .unwrap_or(u64::MAX);
        HostLimits { cpus, memory_mb }
    }
}

fn total_mb(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|l| l.strip_prefix("MemTotal:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? / 1024)
}

/// The size of one app's machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LaunchPlan {
    /// Virtual CPUs.
    pub cpu_cores: u32,
    /// Guest memory in MiB.
    pub memory_mb: u32,
    /// Scratch disk in MiB.
    pub rootfs_size_mb: u32,
}

/// How an app is launched on a host, or the field that the host cannot satisfy.
pub fn launch(app: &App, host: &HostLimits) -> Result<LaunchPlan> {
    let r = &app.resources;
    if r.cpu_cores > host.cpus {
        return Err(refuse(
            app,
            "resources.cpu_cores",
            &format!("is {}, and this host has {}", r.cpu_cores, host.cpus),
        )
        .help(format!("declare `cpu_cores` of {} or less", host.cpus)));
    }
    if u64::from(r.memory_mb) >= host.memory_mb {
        return Err(refuse(
            app,
            "resources.memory_mb",
            &format!("is {} MiB, and this host has {} MiB", r.memory_mb, host.memory_mb),
        )
        .help("declare less memory"));
    }
    Ok(LaunchPlan { cpu_cores: r.cpu_cores, memory_mb: r.memory_mb, rootfs_size_mb: r.rootfs_size_mb })
}

/// Whether every app of a workload can be launched on a host. Asked before a build too: nobody should wait for an image
/// that cannot run here.
pub fn check_launch(workload: &Workload, host: &HostLimits) -> Result<()> {
    workload.apps.iter().try_for_each(|app| check_served(app).and_then(|()| launch(app, host).map(drop)))
}

/// Whether everything that an app declares is served; else the field that is not. Nothing is left out in silence.
pub fn check_served(app: &App) -> Result<()> {
    for mount in &app.mounts {
        match &mount.source {
            MountSource::Tmpfs { .. } => {}
            MountSource::Volume { name } => {
                let why = format!("names the volume {name}; volumes are not served yet");
                return Err(refuse(app, "mounts", &why));
            }
            MountSource::HostPath { path } => {
                let why = format!("names the host's directory {path}; host directories are not mounted yet");
                return Err(refuse(app, "mounts", &why).help("put the files into the app's source"));
            }
        }
    }
    check_network(app)?;
    for entrypoint in &app.entrypoints {
        let Entrypoint::Function { language, format, .. } = entrypoint else { continue };
        if language != "python" {
            let why = format!("is {language}; only python functions are served yet");
            return Err(refuse(app, "entrypoint.language", &why));
        }
        if *format == Format::Msgpack {
            return Err(refuse(app, "entrypoint.format", "is msgpack; only json is served yet"));
        }
    }
    Ok(())
}

fn check_network(app: &App) -> Result<()> {
    if app.network.peers.as_ref().is_some_and(|peers| !peers.is_empty()) {
        let why = "asks for connections between workloads, which are not served yet";
        return Err(refuse(app, "network.peers", why));
    }
    if app.network.ports.iter().any(|port| port.proto == Proto::Udp) {
        return Err(refuse(app, "network.ports", "publishes a UDP port; only TCP is carried")
            .help("publish a TCP port"));
    }
    // `none` and `system` are how it is anyway: a guest resolves nothing itself, and the host asks its own resolver.
    if let Some(Dns::Resolver { host, port }) = &app.network.dns {
        let why = format!("names the resolver {host}:{port}; allowed names are resolved by the host's own");
        return Err(refuse(app, "network.dns", &why)
            .help("leave `dns` out, and set the resolver up on the host if it must be that one"));
    }
    Ok(())
}

/// Whether a workload is valid; else the first field that is not.
pub fn check_compile(workload: &Workload) -> Result<()> {
    let problems = workload.validate();
    if let Some(first) = problems.first() {
        let more =
            if problems.len() > 1 { format!(" (and {} more)", problems.len() - 1) } else { String::new() };
        return Err(Error::new(
            ErrorKind::Usage,
            format!("the workload `{}` is not valid: {first}{more}", workload.id),
        )
        .help("correct the declaration, or the IR if you wrote it by hand"));
    }
    Ok(())
}

/// Whether a workload is valid and of a kind that can be built; else the field that is not.
pub fn check_build(workload: &Workload) -> Result<()> {
    check_compile(workload)?;
    for app in &workload.apps {
        if let Image::OciBase { reference, .. } = &app.image {
            return Err(refuse(
                app,
                "image",
                &format!("is the OCI image `{reference}`; building from OCI images is not supported yet"),
            )
            .help("declare `mvm.nix_packages([...])` or `mvm.python_image()`"));
        }
    }
    Ok(())
}

fn refuse(app: &App, field: &str, why: &str) -> Error {
    Error::new(ErrorKind::Policy, format!("app `{}`: `{field}` {why}", app.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::tests::workload;

    #[test]
    fn a_refusal_names_the_field() {
        let host = HostLimits { cpus: 2, memory_mb: 1000 };
        let mut app = workload().apps.remove(0);
        assert_eq!(launch(&app, &host).unwrap().memory_mb, app.resources.memory_mb);
        app.resources.cpu_cores = 3;
        assert!(launch(&app, &host).unwrap_err().to_string().contains("resources.cpu_cores"));
        app.resources.cpu_cores = 1;
        app.resources.memory_mb = 1000;
        assert!(launch(&app, &host).unwrap_err().to_string().contains("resources.memory_mb"));
        assert!(HostLimits::detect().cpus >= 1);
        assert_eq!(total_mb("MemTotal:       2097152 kB\n"), Some(2048));
    }

    #[test]
    fn what_is_not_served_is_refused_by_field_before_anything_is_built() {
        let change = |pointer: &str, value: serde_json::Value| {
            let mut workload = serde_json::to_value(workload()).unwrap();
            *workload.pointer_mut(pointer).unwrap() = value;
            serde_json::from_value::<Workload>(workload).unwrap()
        };
        let port =
            serde_json::json!([{"guest": 53, "proto": "udp", "guest_addr": "127.0.0.1", "mapping_id": "0"}]);
        let volume =
            serde_json::json!([{"source": {"kind": "volume", "name": "v"}, "target": "/v", "mode": "rw"}]);
        let network = serde_json::json!({"mode": "deny", "ports": [],
            "dns": {"kind": "resolver", "host": "9.9.9.9", "port": 53}});
        let host = HostLimits { cpus: 4, memory_mb: 8000 };
        for (pointer, value, field) in [
            ("/apps/0/mounts", volume, "`mounts`"),
            ("/apps/0/network/ports", port, "`network.ports`"),
            ("/apps/0/network", network, "`network.dns`"),
            ("/apps/0/resources/memory_mb", 8000.into(), "`resources.memory_mb`"),
            ("/apps/0/resources/cpu_cores", 5.into(), "`resources.cpu_cores`"),
        ] {
            let error = check_launch(&change(pointer, value), &host).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Policy);
            assert!(error.to_string().contains(field), "{error}");
        }
        check_launch(&workload(), &host).unwrap();
    }

    #[test]
    fn what_cannot_be_built_is_refused_in_one_sentence() {
        let mut oci = workload();
        oci.apps[0].image = Image::OciBase { reference: "python:3".into(), digest: None };
        let error = check_build(&oci).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Policy);
        assert!(error.to_string().contains("OCI images is not supported yet"), "{error}");
        let mut invalid = workload();
        invalid.id = "Not An Id".into();
        assert_eq!(check_build(&invalid).unwrap_err().kind(), ErrorKind::Usage);
        check_build(&workload()).unwrap();
    }
}
