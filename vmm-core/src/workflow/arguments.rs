//! Arguments of a call are held against the function's own schema before a guest is asked, or even booted.

use workload_ir::{App, Entrypoint};

use crate::machine::CallRequest;
use crate::{Error, ErrorKind, Result};

/// Refuses arguments that cannot fit. Positional ones are for the guest where the schema does not tell their order.
pub(super) fn check(app: &App, call: &CallRequest) -> Result<()> {
    let called = app.entrypoints.iter().find_map(|entrypoint| match entrypoint {
        Entrypoint::Function { function, primary, args_schema, .. }
            if call.function.as_ref().map_or(*primary, |wanted| wanted == function) =>
        {
            Some((function, args_schema.as_ref()?))
        }
        _ => None,
    });
    let Some((function, schema)) = called else { return Ok(()) };
    let mut arguments = call.kwargs.clone();
    if !call.args.is_empty() {
        let Some(named) = workload_ir::arguments::by_name(schema, &call.args) else { return Ok(()) };
        arguments.extend(named);
    }
    match workload_ir::arguments::misfit(schema, &arguments) {
        None => Ok(()),
        Some(why) => Err(Error::new(
            ErrorKind::Usage,
            format!(
                "calling `{function}` of `{}`: the arguments do not fit what it declares: {why}",
                app.name
            ),
        )
        .help("give what the function's annotations ask for, or change them and build again")),
    }
}
