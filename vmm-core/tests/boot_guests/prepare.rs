//! Work that a build does in a guest: byte code, and hooks.

use vmm_core::build::LayerRole;
use vmm_core::layer::Store;
use vmm_core::machine::{PrepareRequest, prepare_bytecode, run_hooks_before_build};
use vmm_core::{ErrorKind, kernel};
use workload_ir::{Hook, Hooks};

use super::world::World;

fn prepare_request(world: &World) -> PrepareRequest {
    let kernel = kernel::find_or_fetch(&world.home, false, &world.ctx).unwrap();
    let mut built = world.record.apps[0].clone();
    built.layers.retain(|layer| layer.role == LayerRole::Base);
    PrepareRequest { kernel, built }
}

#[test]
#[ignore = "boots guests: cargo xtask test boot"]
fn byte_code_comes_back_and_makes_a_layer() {
    let world = World::new();
    let request = prepare_request(&world);
    let tree = prepare_bytecode(&world.home, &request, &world.ctx).unwrap();
    let paths: Vec<String> = tree.iter().map(|(path, _)| path.display().to_string()).collect();
    for wanted in ["/usr/lib/mvm/mvm_harness.py", "json/__pycache__/", "asyncio/__pycache__/"] {
        assert!(paths.iter().any(|path| path.contains(wanted)), "{wanted} is missing");
    }
    assert!(!paths.iter().any(|path| path.starts_with("/app")), "the app's code is not the base's");
    let layer = Store::open(&world.home).unwrap().write(&tree, LayerRole::Bytecode).unwrap();
    assert!(layer.size > 100_000);
    world.assert_clean();
}

#[test]
#[ignore = "boots guests: cargo xtask test boot"]
fn hooks_change_the_image_and_a_failing_one_fails_the_build() {
    let world = World::new();
    let request = prepare_request(&world);
    let mut app = world.record.workload.apps[0].clone();
    let python = |code: &str| Hook::Argv { argv: ["/usr/bin/python3", "-c", code].map(str::to_owned).into() };
    let hooks = |before_build| Some(Hooks { before_build, ..Hooks::default() });
    app.hooks = hooks(vec![python("print('made'); open('/app/made', 'w').write('x')")]);
    let mut output = String::new();
    let tree =
        run_hooks_before_build(&world.home, &request, &app, &mut |piece| output += &piece.text, &world.ctx)
            .unwrap();
    assert!(output.contains("made"), "{output}");
    let paths: Vec<String> = tree.iter().map(|(path, _)| path.display().to_string()).collect();
    assert!(paths.contains(&"/app/made".into()), "{paths:?}");
    assert!(!paths.iter().any(|path| path.starts_with("/etc/hosts")), "{paths:?}");

    app.hooks = hooks(vec![python("import sys; print('because'); sys.exit(3)")]);
    let error = run_hooks_before_build(&world.home, &request, &app, &mut |_| {}, &world.ctx).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Build);
    assert!(error.to_string().contains("code 3") && error.to_string().contains("because"), "{error}");
    world.assert_clean();
}
