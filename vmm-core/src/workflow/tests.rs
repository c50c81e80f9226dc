//! What the facade decides by itself: which app is meant, and what its machine is called.

use workload_ir::{
    App, Dependencies, Image, Network, NetworkMode, Resources, SCHEMA_VERSION, Source, Workload,
};

use super::*;

fn workload(id: &str, apps: &[&str]) -> Workload {
    let app = |name: &&str| App {
        name: (*name).to_owned(),
        source: Source::LocalPath { path: ".".into(), include: vec!["**".into()], exclude: vec![] },
        image: Image::NixPackages { packages: vec!["python3".into()] },
        resources: Resources { cpu_cores: 1, memory_mb: 256, rootfs_size_mb: 512 },
        network: Network { mode: NetworkMode::Deny, ports: vec![], egress: None, peers: None, dns: None },
        env: Default::default(),
        entrypoints: vec![],
        dependencies: Dependencies::None,
        mounts: vec![],
        hooks: None,
        health_check: None,
        threat_tier: None,
    };
    Workload {
        schema_version: SCHEMA_VERSION.into(),
        id: id.into(),
        apps: apps.iter().map(app).collect(),
        volumes: vec![],
        extensions: Default::default(),
    }
}

#[test]
fn the_only_app_needs_no_name_and_one_of_several_does() {
    let one = workload("w", &["a"]);
    assert_eq!(select_app(&one, None).unwrap().name, "a");
    let two = workload("w", &["a", "b"]);
    assert_eq!(select_app(&two, Some("b")).unwrap().name, "b");
    assert!(select_app(&two, None).unwrap_err().to_string().contains("a, b"));
    for wrong in [select_app(&two, Some("c")), select_app(&workload("w", &[]), None)] {
        assert_eq!(wrong.unwrap_err().kind(), ErrorKind::Usage);
    }
}

#[test]
fn machines_have_names_of_their_own_and_bounded_ones() {
    let two = workload("w", &["a", "b"]);
    assert_eq!(machine_name(&workload("w", &["a"]), "a"), "w");
    assert_eq!(machine_name(&two, "b"), "w.b");
    assert_ne!(ephemeral_name(&two, "a"), ephemeral_name(&two, "a"));
    let long = "x".repeat(63);
    let names = [machine_name(&workload(&long, &["a", "b"]), &"y".repeat(63)), {
        machine_name(&workload(&long, &["a", "b"]), &format!("{}z", "y".repeat(62)))
    }];
    assert_ne!(names[0], names[1]);
    assert!(names.iter().all(|n| n.len() <= LONGEST_NAME));
}

#[tokio::test]
async fn a_cancelled_context_starts_nothing() {
    let ctx = Context::silent();
    ctx.cancel.cancel();
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    let error = build(&home, workload("w", &["a"]), dir.path().into(), &BuildOptions::default(), &ctx).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing was written");
}

#[test]
fn arguments_are_held_against_the_schema_before_anything_boots() {
    let mut app = workload("w", &["a"]).apps.remove(0);
    let function = |name: &str, primary: bool| Entrypoint::Function {
        language: "python".into(),
        module: "m".into(),
        function: name.into(),
        format: workload_ir::Format::Json,
        working_dir: "/app".into(),
        env: Default::default(),
        primary,
        concurrency: None,
        args_schema: Some(serde_json::json!({
            "type": "object", "properties": {"n": {"type": "integer"}}, "additionalProperties": primary,
        })),
        return_schema: None,
    };
    app.entrypoints = vec![function("other", false), function("run", true)];
    let call = |function: Option<&str>, kwargs: serde_json::Value| {
        let request = CallRequest {
            function: function.map(str::to_owned),
            kwargs: kwargs.as_object().cloned().unwrap_or_default(),
            ..CallRequest::default()
        };
        arguments::check(&app, &request)
    };
    call(None, serde_json::json!({"n": 1, "more": 1})).unwrap();
    call(Some("other"), serde_json::json!({"n": 1})).unwrap();
    call(Some("absent"), serde_json::json!({"n": "x"})).unwrap();
    let error = call(None, serde_json::json!({"n": "x"})).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("`n` must be an integer, it is a string"), "{error}");
    let error = call(Some("other"), serde_json::json!({"more": 1})).unwrap_err();
    assert!(error.to_string().contains("there is no `more`: there are `n`"), "{error}");
    // Positions are held against the schema when it tells their order, and left to the guest when it does not.
    let mut request = CallRequest { args: vec![serde_json::json!("x")], ..CallRequest::default() };
    arguments::check(&app, &request).unwrap();
    for entrypoint in &mut app.entrypoints {
        if let Entrypoint::Function { args_schema: Some(schema), .. } = entrypoint {
            schema["required"] = serde_json::json!(["n"]);
        }
    }
    let error = arguments::check(&app, &request).unwrap_err();
    assert!(error.to_string().contains("`n` must be an integer, it is a string"), "{error}");
    request.args = vec![serde_json::json!(1)];
    arguments::check(&app, &request).unwrap();
}
