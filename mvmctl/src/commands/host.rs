//! `mvmctl doctor` and `mvmctl gc`.

use vmm_core::Context;

use crate::cli::GcArgs;
use crate::failure::Outcome;
use crate::ui::Ui;

pub async fn doctor(_ui: &Ui, _ctx: &Context) -> Outcome {
    Ok(0)
}

pub async fn gc(_args: GcArgs, _ui: &Ui, _ctx: &Context) -> Outcome {
    Ok(0)
}
