//! The life of a machine: handshake, set-up, ready, calls, shutdown. The control stream is the host's word; its
//! end is the end of the machine.

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use agent_protocol::{
    Activation, CallOutcome, CallSpec, EntrypointSpec, FreezeAt, GuestMessage, HostMessage, MAX_CALL, Mux,
    Open, PoolSpec, Resume, Side, Stream, Task, read_message,
};

use crate::boot::{self, BootError, Doing};
use crate::commands::{Commands, Ended, Runner};
use crate::control::{Control, Failure};
use crate::line::Line;
use crate::output::Logs;
use crate::pool::{self, Config, Job, Pool};
use crate::reaper::Reaper;
use crate::worker::StartError;
use crate::{cgroup, collect, freeze, net, proxy, python, sys};

/// Runs the machine until it is to be powered off.
pub fn run(started: Duration) -> Result<(), BootError> {
    boot::prepare()?;
    let port = boot::open_port()?;
    let session = || {
        let (reader, writer) = (port.try_clone(), port.try_clone());
        reader
            .and_then(|reader| Mux::start(reader, writer?, Side::Guest))
            .doing(|| "starting the channel".into())
    };
    let line = Line::new(session()?);
    let Some(control) = Control::greet(&line.mux(), started) else { return Ok(()) };
    // The root is set up while the host answers.
    let root = boot::enter_root();
    let Some(activation) = wait_for_activation(&control) else { return Ok(()) };
    let freezes = activation.freeze.is_some();
    let (machine, ends) = match root.map_err(Failure::from).and_then(|()| Machine::set_up(&line, activation))
    {
        Ok(machine) => machine,
        Err(failure) => {
            control.fail(failure);
            return Ok(());
        }
    };
    let control = if freezes {
        freeze::shrink();
        let Some((control, resume)) = freeze::hand_over(&line, &control, session)? else { return Ok(()) };
        if let Err(failure) = machine.resume(&line, &resume) {
            control.fail(failure);
            return Ok(());
        }
        control
    } else {
        control
    };
    control.say(&GuestMessage::Ready { uptime_us: sys::uptime().as_micros() as u64 });
    machine.serve(&ends, &line.mux(), &control);
    Ok(())
}

fn wait_for_activation(control: &Control) -> Option<Activation> {
    loop {
        match control.hear()? {
            HostMessage::Welcome { .. } | HostMessage::Resume(_) => {}
            HostMessage::Activate(activation) => return Some(*activation),
            HostMessage::Shutdown { .. } => return None,
        }
    }
}

/// A function that is served.
struct Function {
    name: String,
    target: String,
    primary: bool,
    pool: Pool,
}

/// Why the machine ends.
enum End {
    Shutdown(Duration),
    Commands(Ended),
    ChannelLost,
}

struct Machine {
    activation: Activation,
    logs: Logs,
    runner: Runner,
    commands: Commands,
    functions: Vec<Function>,
    end: mpsc::Sender<End>,
}

impl Machine {
    fn set_up(line: &Line, activation: Activation) -> Result<(Machine, mpsc::Receiver<End>), Failure> {
        let logs = Logs::open(line).map_err(|e| Failure::new("opening the log", e))?;
        let _ = sys::set_clock(activation.unix_time_ns);
        let _ = sys::set_hostname(&activation.hostname);
        if let Err(error) = cgroup::mount() {
            logs.note(&format!(
                "no control groups ({error}): memory and processes are bounded by rlimits only"
            ));
        }
        let bound = net::set_up(&activation.hostname, &activation.destinations)?;
        net::listen(line, bound)?;
        if activation.proxy {
            proxy::start(line)?;
        }
        boot::furnish(&app_dirs(&activation))?;
        mount_tmpfs(&activation)?;
        let reaper = Reaper::start().map_err(|e| Failure::new("starting the reaper", e))?;
        let serving = activation.task == Task::Serve;
        let runner = Runner {
            reaper,
            logs: logs.clone(),
            env: environment(&activation),
            working_dir: app_dirs(&activation).first().cloned().unwrap_or_else(|| "/".into()),
            unprivileged: serving,
        };
        let (end, ends) = mpsc::channel();
        let mut machine =
            Machine { activation, logs, runner, commands: Commands::default(), functions: Vec::new(), end };
        machine.start()?;
        Ok((machine, ends))
    }

    /// Begins one of the lives after a freeze.
    fn resume(&self, line: &Line, resume: &Resume) -> Result<(), Failure> {
        let stage = "restoring the machine";
        freeze::wake(resume).map_err(|e| Failure::new(stage, e))?;
        self.logs.reopen(line).map_err(|e| Failure::new(stage, e))?;
        let pools: BTreeMap<_, _> = self.functions.iter().map(|f| (f.pool.id(), &f.pool)).collect();
        pools.values().try_for_each(|pool| pool.resume(&resume.env)).map_err(starting)
    }

    fn start(&mut self) -> Result<(), Failure> {
        let hook = |(message, detail): (String, String)| Failure { stage: "running hooks", message, detail };
        match &self.activation.task {
            Task::Serve => {}
            Task::RunHooks { hooks } => return self.runner.hooks("before_build", hooks, None).map_err(hook),
            Task::CompilePython { modules } => return self.compile_python(modules),
        }
        let hooks = self.activation.hooks.clone();
        self.runner.hooks("before_start", &hooks.before_start, None).map_err(hook)?;
        self.start_functions()?;
        self.start_commands()?;
        if let Some(check) = &self.activation.health_check {
            let unhealthy = |(message, detail)| Failure { stage: "checking health", message, detail };
            self.runner.wait_healthy(check).map_err(unhealthy)?;
        }
        self.runner.hooks("after_start", &hooks.after_start, None).map_err(hook)
    }

    fn compile_python(&self, modules: &[String]) -> Result<(), Failure> {
        let stage = "compiling Python's byte code";
        let python = self.interpreter("python")?;
        let argv = python::compile(&python, modules).map_err(|e| Failure::new(stage, e))?;
        let runner = Runner { working_dir: "/".into(), ..self.runner.clone() };
        runner.run(&argv, "agent", None).map_err(|(message, detail)| Failure { stage, message, detail })
    }

    fn interpreter(&self, language: &str) -> Result<String, Failure> {
        let missing =
            || Failure::new("starting the app", format!("the image has no interpreter for {language}"));
        self.activation.interpreters.get(language).cloned().ok_or_else(missing)
    }

    /// Functions that agree in directory, environment and pool share their workers.
    fn start_functions(&mut self) -> Result<(), Failure> {
        type Key = (String, String, BTreeMap<String, String>, PoolSpec);
        let mut groups: BTreeMap<Key, Vec<(String, String, bool)>> = BTreeMap::new();
        for entrypoint in &self.activation.entrypoints {
            if let EntrypointSpec::Function { language, module, function, working_dir, env, primary, pool } =
                entrypoint
            {
                let key = (language.clone(), working_dir.clone(), env.clone(), *pool);
                groups.entry(key).or_default().push((module.clone(), function.clone(), *primary));
            }
        }
        for ((language, working_dir, env, pool), functions) in groups {
            let targets: Vec<_> = functions.iter().map(|(m, f, _)| (m.clone(), f.clone())).collect();
            let interpreter = self.interpreter(&language)?;
            let argv = python::harness(&interpreter).map_err(|e| Failure::new("writing the harness", e))?;
            let mut all = self.runner.env.clone();
            all.extend(env);
            let start_message = python::start_message(&working_dir, &targets, &all);
            let hold = self.activation.freeze == Some(FreezeAt::Interpreter);
            let config = Config { argv, working_dir, env: all, start_message, pool, hold };
            let pool = Pool::start(config, &self.runner.reaper, &self.logs).map_err(starting)?;
            for (module, function, primary) in functions {
                let target = format!("{module}:{function}");
                self.functions.push(Function { name: function, target, primary, pool: pool.clone() });
            }
        }
        Ok(())
    }

    fn start_commands(&self) -> Result<(), Failure> {
        let serves_functions = !self.functions.is_empty();
        for entrypoint in &self.activation.entrypoints {
            let EntrypointSpec::Command { command, working_dir, env } = entrypoint else { continue };
            let mut runner = self.runner.clone();
            runner.env.extend(env.clone());
            runner.working_dir.clone_from(working_dir);
            let end = self.end.clone();
            let ended = move |how| {
                // Commands beside functions may end in order; the functions go on.
                if !(serves_functions && matches!(how, Ended::Finished)) {
                    let _ = end.send(End::Commands(how));
                }
            };
            let started = self.commands.start(runner, command.clone(), ended);
            started.map_err(|e| Failure::new("starting the app", e))?;
        }
        Ok(())
    }

    fn serve(self, ends: &mpsc::Receiver<End>, mux: &Mux, control: &Control) {
        let (end, hearing) = (self.end.clone(), control.clone());
        let listening = crate::spawn("control", move || {
            loop {
                let what = match hearing.hear() {
                    Some(HostMessage::Shutdown { grace_ms }) => {
                        End::Shutdown(Duration::from_millis(grace_ms))
                    }
                    Some(_) => continue,
                    None => End::ChannelLost,
                };
                let _ = end.send(what);
                return;
            }
        });
        if let Err(error) = listening {
            return control.fail(Failure::new("listening to the host", error));
        }
        let (machine, mux) = (Arc::new(self), mux.clone());
        let accepting = Arc::clone(&machine);
        let _ = crate::spawn("accept", move || {
            while let Some(stream) = mux.accept() {
                let machine = Arc::clone(&accepting);
                let _ = crate::spawn("stream", move || machine.answer(stream));
            }
        });
        let end = ends.recv().unwrap_or(End::ChannelLost);
        machine.stop(end, control);
    }

    fn answer(&self, stream: Stream) {
        match read_message(&stream, MAX_CALL) {
            Ok(Open::Call(spec)) => self.call(spec, stream),
            Ok(Open::Dial { address, port }) => net::dial(stream, &address, port),
            Ok(Open::Collect) if self.activation.task != Task::Serve => {
                collect::collect(&stream, &self.activation.task);
            }
            _ => stream.reset(),
        }
    }

    fn call(&self, spec: CallSpec, stream: Stream) {
        let wanted = |function: &&Function| match &spec.function {
            Some(name) => function.name == *name || function.target == *name,
            None => function.primary,
        };
        match self.functions.iter().find(wanted) {
            Some(function) => function.pool.submit(Job { function: function.target.clone(), spec, stream }),
            None => {
                let available = self.functions.iter().map(|function| function.name.clone()).collect();
                pool::finish(&stream, CallOutcome::NoSuchFunction { available });
            }
        }
    }

    fn stop(&self, end: End, control: &Control) {
        let grace = match end {
            End::ChannelLost => return,
            End::Commands(Ended::Finished) => {
                control.say(&GuestMessage::Finished);
                Duration::from_secs(5)
            }
            End::Commands(Ended::Failed(message)) => {
                return control.fail(Failure::new("running the app", message));
            }
            End::Shutdown(grace) => grace,
        };
        let deadline = Instant::now() + grace;
        if !self.activation.hooks.before_stop.is_empty() {
            let ran = self.runner.hooks("before_stop", &self.activation.hooks.before_stop, Some(grace));
            if let Err((message, _)) = ran {
                self.logs.note(&message);
            }
        }
        for function in &self.functions {
            function.pool.stop();
        }
        self.commands.stop(deadline);
    }
}

fn starting(StartError { message, detail }: StartError) -> Failure {
    Failure { stage: "starting the app", message, detail }
}

/// Directories that belong to the app's user; the first is where hooks run.
fn app_dirs(activation: &Activation) -> Vec<String> {
    let mut dirs: Vec<String> = activation
        .entrypoints
        .iter()
        .map(|entrypoint| match entrypoint {
            EntrypointSpec::Command { working_dir, .. } | EntrypointSpec::Function { working_dir, .. } => {
                working_dir.clone()
            }
        })
        .filter(|dir| dir.starts_with("/app"))
        .collect();
    dirs.push("/app".into());
    dirs.dedup();
    dirs
}

fn environment(activation: &Activation) -> BTreeMap<String, String> {
    let mut env: BTreeMap<String, String> = [
        ("HOME", "/run/mvm/home"),
        ("USER", "app"),
        ("LANG", "C.UTF-8"),
        ("TMPDIR", "/tmp"),
        ("PATH", activation.path.as_str()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    if activation.proxy {
        let url = format!("http://{}:{}", net::PROXY.0, net::PROXY.1);
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
            env.insert(name.into(), url.clone());
        }
        for name in ["NO_PROXY", "no_proxy"] {
            env.insert(name.into(), "localhost,127.0.0.1,::1".into());
        }
    }
    env.extend(activation.env.clone());
    env
}

fn mount_tmpfs(activation: &Activation) -> Result<(), Failure> {
    for spec in &activation.tmpfs {
        let mount = || {
            std::fs::create_dir_all(&spec.target)?;
            let read_only = if spec.read_only { libc::MS_RDONLY } else { 0 };
            let flags = libc::MS_NOSUID | libc::MS_NODEV | read_only;
            let uid = sys::APP_UID;
            let data = format!("mode=0755,uid={uid},gid={uid},size={}m", spec.size_mb);
            sys::mount("tmpfs", &spec.target, "tmpfs", flags, &data)
        };
        mount().doing(|| format!("mounting a tmpfs on {}", spec.target))?;
    }
    Ok(())
}
