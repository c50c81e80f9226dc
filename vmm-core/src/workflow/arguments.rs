//! Arguments of a call are held against the function's own schema before a guest is asked, or even booted.

use workload_ir::{App, Entrypoint};

use crate::machine::CallRequest;
use crate::{Error, ErrorKind, Result};

/// Refuses arguments that cannot fit. Positional ones are for the guest: a schema has names and no order.
pub(super) fn check(app: &App, call: &CallRequest) -> Result<()> {
    if !call.args.is_empty() {
        return Ok(());
    }
    let called = app.entrypoints.iter().find_map(|entrypoint| match entrypoint {
        Entrypoint::Function { function, primary, args_schema, .. }
            if call.function.as_ref().map_or(*primary, |wanted| wanted == function) =>
        {
            Some((function, args_schema.as_ref()?))
        }
        _ => None,
    });
    let Some((function, schema)) = called else { return Ok(()) };
    match workload_ir::arguments::misfit(schema, &call.kwargs) {
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
