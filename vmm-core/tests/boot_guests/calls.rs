//! One machine takes every kind of call, and answers the next after each.

use std::time::{Duration, Instant};

use serde_json::json;
use vmm_core::ErrorKind;
use vmm_core::machine::{CallOutcome, CallRequest, Machine, MachineState};

use super::world::{World, call, request, value};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "boots guests: cargo xtask test boot"]
async fn one_machine_takes_every_kind_of_call() {
    let world = World::new();
    let machine = world.up(world.request("calls")).await.unwrap();
    let info = machine.info().unwrap();
    assert_eq!(info.state, MachineState::Ready);
    let clocks = info.clocks;
    assert!(clocks.vmm_ms < clocks.userspace_ms && clocks.userspace_ms < clocks.ready_ms, "{clocks:?}");

    let (outcome, output) =
        call(&world, &machine, CallRequest { args: vec![json!("you")], ..request("run", json!([])) }).await;
    let expected = json!({"echo": "you", "uid": 1000, "cwd": "/app"});
    assert_eq!(outcome.unwrap(), CallOutcome::Returned { value: expected });
    assert!(output.contains("hello from you") && output.contains("and a warning"), "{output}");

    exceptions_and_arguments(&world, &machine).await;
    workers_that_misbehave(&world, &machine).await;
    up_twice_is_refused(&world).await;

    // What was printed last is there, although `spam` has turned the log over.
    let last = CallRequest { args: vec![json!("the last")], ..request("run", json!([])) };
    call(&world, &machine, last).await.0.unwrap();
    let lines = log_of(&world, &machine).await;
    assert!(lines.contains("hello from the last"), "{}", &lines[lines.len().saturating_sub(2000)..]);
    world.down("calls").await;
    world.assert_clean();
    let error = Machine::connect(&world.home, "calls").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("no machine calls"), "{error}");
}

async fn exceptions_and_arguments(world: &World, machine: &Machine) {
    match call(world, machine, request("boom", json!([]))).await.0.unwrap() {
        CallOutcome::Raised { exception, message, traceback } => {
            assert_eq!((exception.as_str(), message.as_str()), ("ValueError", "no good: ümläut"));
            assert!(traceback.contains("tool.py") && !traceback.contains("harness"), "{traceback}");
        }
        other => panic!("{other:?}"),
    }
    for function in ["not_a_number", "thing"] {
        let outcome = call(world, machine, request(function, json!([]))).await.0.unwrap();
        assert!(matches!(outcome, CallOutcome::NotSerializable { .. }), "{function}: {outcome:?}");
    }
    let outcome = call(world, machine, request("run", json!([1, 2, 3]))).await.0.unwrap();
    assert!(
        matches!(&outcome, CallOutcome::BadArguments { message } if message.contains("positional")),
        "{outcome:?}"
    );
    let outcome = call(world, machine, request("absent", json!([]))).await.0.unwrap();
    assert!(
        matches!(&outcome, CallOutcome::NoSuchFunction { available } if available.contains(&"boom".into()))
    );
    assert_eq!(value(world, machine, "later", json!([41])).await, json!(42));
}

async fn workers_that_misbehave(world: &World, machine: &Machine) {
    let limited = |function: &str| CallRequest {
        timeout: Some(Duration::from_secs(2)),
        ..request(function, json!([]))
    };
    // A bomb is held by the number of processes it may have: memory is never what ends it.
    for function in ["forever", "spam", "fork", "fork_sessions"] {
        let outcome = call(world, machine, limited(function)).await.0.unwrap();
        assert_eq!(outcome, CallOutcome::TimedOut { after_ms: 2000 }, "{function}");
        assert_eq!(value(world, machine, "later", json!([1])).await, json!(2), "after {function}");
        nothing_else_runs(world, machine, function).await;
    }
    let outcome = call(world, machine, request("die", json!([]))).await.0.unwrap();
    assert_eq!(outcome, CallOutcome::WorkerDied { reason: "exited with code 7".into() });
    match call(world, machine, request("hog", json!([]))).await.0.unwrap() {
        CallOutcome::WorkerDied { reason } => assert!(reason.contains("out of memory"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(value(world, machine, "later", json!([1])).await, json!(2), "after hog");
    // A caller that gives up frees the worker.
    let ctx = vmm_core::Context::silent();
    let cancel = ctx.cancel.clone();
    let slow = CallRequest { timeout: None, ..request("spam", json!([])) };
    let given_up = machine.call(slow, move |_| cancel.cancel(), &ctx).await;
    assert_eq!(given_up.unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(value(world, machine, "later", json!([1])).await, json!(2), "after giving up");
    nothing_else_runs(world, machine, "giving up").await;
}

/// In the guest, of all that a call started nothing is left but the worker that answers.
async fn nothing_else_runs(world: &World, machine: &Machine, after: &str) {
    let limit = Instant::now() + Duration::from_secs(120);
    loop {
        // What was killed is still there for a moment.
        let left = value(world, machine, "others", json!([])).await;
        if left == json!(0) {
            return;
        }
        assert!(Instant::now() < limit, "after {after}, {left} processes are left in the guest");
    }
}

async fn up_twice_is_refused(world: &World) {
    let error = world.up(world.request("calls")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("running already"), "{error}");
    assert_eq!(world.list().len(), 1);
}

async fn log_of(world: &World, machine: &Machine) -> String {
    let lines = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let sink = lines.clone();
    machine.logs(false, move |piece| sink.lock().unwrap().push_str(&piece.text), &world.ctx).await.unwrap();
    let lines = lines.lock().unwrap();
    // The log is bounded: what is read fits whatever was printed.
    assert!(lines.len() < 6 << 20);
    lines.clone()
}
