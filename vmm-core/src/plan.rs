//! What can be built and launched: the IR against what mvm supports and what the host has. A refusal names the field.

use serde::Serialize;
use workload_ir::{App, Image, Workload};

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
