//! `entry_points.txt`: the programs an installer would make for a wheel.

/// A program that calls a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Script {
    /// File name.
    pub name: String,
    module: String,
    function: String,
}

/// The console and GUI scripts.
pub(super) fn scripts(text: &str) -> Result<Vec<Script>, String> {
    let mut scripts = Vec::new();
    let mut inside = false;
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with(['#', ';'])) {
        if let Some(section) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            inside = matches!(section.trim(), "console_scripts" | "gui_scripts");
        } else if inside {
            scripts.push(script(line).ok_or_else(|| format!("its entry point `{line}` is not one"))?);
        }
    }
    Ok(scripts)
}

/// `name = package.module:function [extra]`
fn script(line: &str) -> Option<Script> {
    let (name, object) = line.split_once('=')?;
    let object = object.split('[').next().unwrap_or(object);
    let (module, function) = object.split_once(':')?;
    let (name, module, function) = (name.trim(), module.trim(), function.trim());
    let file_name = !name.starts_with('.')
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._- ".contains(c));
    // Both become Python source: nothing but dotted names may.
    let dotted = |text: &str| {
        text.split('.').all(|part| {
            part.chars().all(|c| c.is_alphanumeric() || c == '_')
                && part.starts_with(|c: char| c.is_alphabetic() || c == '_')
        })
    };
    let sound = file_name && dotted(module) && dotted(function);
    sound.then(|| Script { name: name.to_owned(), module: module.to_owned(), function: function.to_owned() })
}

impl Script {
    /// The program.
    pub fn source(&self, python: &str) -> Vec<u8> {
        let Script { module, function, .. } = self;
        let import = function.split('.').next().unwrap_or(function);
        format!("#!{python}\nimport sys\nfrom {module} import {import}\n\nif __name__ == \"__main__\":\n    sys.exit({function}())\n")
            .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn console_and_gui_scripts_are_read() {
        let text = "[console_scripts]\nflask = flask.cli:main\nx=a.b:C.run [extra]\n\n[other]\nplug = a:b\n[gui_scripts]\ng = g:g\n";
        let names: Vec<String> = scripts(text).unwrap().into_iter().map(|s| s.name).collect();
        assert_eq!(names, ["flask", "x", "g"]);
        let source = String::from_utf8(scripts(text).unwrap()[1].source("/usr/bin/python3")).unwrap();
        assert!(
            source.starts_with("#!/usr/bin/python3\n") && source.contains("from a.b import C\n"),
            "{source}"
        );
        assert!(source.contains("sys.exit(C.run())"));
    }

    #[test]
    fn nothing_but_names_becomes_source_or_a_path() {
        for line in
            ["../x = a:b", "x = a;import os:b", "x = a:b()", "x = a", "x", "/x = a:b", " = a:b", ".x = a:b"]
        {
            assert!(scripts(&format!("[console_scripts]\n{line}\n")).is_err(), "{line}");
        }
    }
}
