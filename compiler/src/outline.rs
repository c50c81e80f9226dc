//! What is kept of a declaration once it has been read and checked: what rules over the file ask for as it is, and
//! the rest packed. Thousands of declarations are kept, and few are ever looked at again.

use workload_ir::{App, Volume, limits};

use crate::declaration::{Declaration, DeclarationKind, Function};
use crate::finding::TextRange;
use crate::value::{HelperCall, Value};

/// The arguments whose values rules over the file may ask for.
const KEPT: [&str; 6] = ["name", "image", "entrypoint", "entrypoints", "dependencies", "before_build"];

/// Pointer below the app → use, and definition when elsewhere.
pub(crate) type Pointers = Vec<(String, TextRange, Option<TextRange>)>;

/// A declaration as rules over the file see it. Ranges are addresses.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    /// `app`, or `func` for its short form.
    pub kind: DeclarationKind,
    /// Something could not be read or lowered; a finding says what.
    pub incomplete: bool,
    /// `@mvm.app(…)`
    pub decorator: TextRange,
    /// The callee's text.
    pub callee: TextRange,
    /// Between the parentheses.
    pub arguments_range: TextRange,
    /// The values of the first and the last argument.
    pub ends: Option<(TextRange, TextRange)>,
    /// The app's name.
    pub name: Box<str>,
    /// It is one that Workload IR takes.
    pub name_is_id: bool,
    /// Where the name comes from.
    pub name_range: TextRange,
    /// The directory that is packaged, as written.
    pub source: Box<str>,
    /// Of a `func`, its arguments and their values' places: a further one of its name may only repeat them.
    pub given: Box<[(&'static str, TextRange)]>,
    /// The volumes that it mounts.
    pub volumes: Box<[Volume]>,
    /// The function.
    pub function: Box<Function>,
    /// The call; of a document that stays, without the values that no rule over the file asks for.
    call: HelperCall,
    lowered: Lowered,
}

/// The IR of a declaration as it is kept.
#[derive(Clone, Debug, PartialEq)]
enum Lowered {
    /// Of a document that stays: small.
    Packed(Box<[u8]>),
    /// Of a text that is read once: as it is.
    Whole(Box<Unpacked>),
}

/// What is packed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Unpacked {
    pub app: App,
    pub volumes: Vec<Volume>,
    pub pointers: Pointers,
}

impl Outline {
    /// Keeps of a declaration what will be asked for; `once`: not for long.
    pub(crate) fn of(declaration: Declaration, once: bool) -> Outline {
        let source = declaration.source().into();
        let name_range = declaration.range_of("/name");
        let Declaration { kind, decorator, mut call, function, app, volumes, pointers, incomplete, .. } =
            declaration;
        let name: Box<str> = app.name.as_str().into();
        let kept_volumes = volumes.clone().into_boxed_slice();
        let lowered = match once {
            true => Lowered::Whole(Box::new(Unpacked { app, volumes, pointers })),
            false => Lowered::Packed(pack(&app, &volumes, &pointers)),
        };
        let ends = call.arguments.first().zip(call.arguments.last());
        let ends = ends.map(|(first, last)| (first.value.range.clone(), last.value.range.clone()));
        let given = match kind {
            DeclarationKind::App => Box::default(),
            DeclarationKind::Func => call.arguments.iter().map(|a| (a.name, a.value.range.clone())).collect(),
        };
        if !once {
            call.arguments.retain(|a| KEPT.contains(&a.name));
            call.shrink_to_fit();
        }
        Outline {
            kind,
            incomplete,
            decorator,
            callee: call.callee.clone(),
            arguments_range: call.arguments_range.clone(),
            ends,
            name_is_id: limits::is_id(&name),
            name,
            name_range,
            source,
            given,
            volumes: kept_volumes,
            function: Box::new(function),
            call,
            lowered,
        }
    }

    /// The value of one of the arguments that rules over the file may ask for.
    pub fn get(&self, argument: &str) -> Option<&Value> {
        debug_assert!(KEPT.contains(&argument), "`{argument}` is not kept");
        self.call.get(argument)
    }

    /// The call, as far as it is kept.
    pub fn call(&self) -> &HelperCall {
        &self.call
    }

    /// The IR and its source map; `None` is never seen, since what is packed can be unpacked.
    pub(crate) fn unpack(&self) -> Option<Unpacked> {
        let packed = match &self.lowered {
            Lowered::Packed(packed) => packed,
            Lowered::Whole(whole) => return Some(Unpacked::clone(whole)),
        };
        let mut reader = Reader(packed);
        let ir = reader.text()?;
        let (app, volumes) = serde_json::from_str(ir).ok()?;
        let mut pointers: Pointers = Vec::with_capacity(reader.number()?);
        while !reader.0.is_empty() {
            let last = pointers.last().map_or("", |(pointer, ..)| pointer);
            let mut pointer = last.get(..reader.number()?)?.to_owned();
            pointer.push_str(reader.text()?);
            let range = reader.range()?;
            let definition = if reader.number()? == 1 { Some(reader.range()?) } else { None };
            pointers.push((pointer, range, definition));
        }
        Some(Unpacked { app, volumes, pointers })
    }
}

/// The IR as JSON, then the pointers, each as what it does not share with the one before.
fn pack(app: &App, volumes: &[Volume], pointers: &Pointers) -> Box<[u8]> {
    let ir = serde_json::to_string(&(app, volumes)).unwrap_or_default();
    let mut out = Vec::with_capacity(ir.len() + 24 * pointers.len() + 8);
    text(&mut out, &ir);
    number(&mut out, pointers.len());
    let mut last = "";
    for (pointer, range, definition) in pointers {
        let shared = pointer.bytes().zip(last.bytes()).take_while(|(a, b)| a == b).count();
        let shared = (0..=shared).rev().find(|n| pointer.is_char_boundary(*n)).unwrap_or(0);
        number(&mut out, shared);
        text(&mut out, &pointer[shared..]);
        place(&mut out, range);
        number(&mut out, usize::from(definition.is_some()));
        definition.iter().for_each(|d| place(&mut out, d));
        last = pointer;
    }
    out.into_boxed_slice()
}

fn place(out: &mut Vec<u8>, range: &TextRange) {
    number(out, range.start);
    number(out, range.end.saturating_sub(range.start));
}

fn text(out: &mut Vec<u8>, text: &str) {
    number(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// Seven bits a byte, the low ones first; the eighth says that more follow.
fn number(out: &mut Vec<u8>, mut n: usize) {
    while n > 0x7f {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<usize> {
        let mut n = 0;
        for shift in (0..usize::BITS).step_by(7) {
            let (first, rest) = self.0.split_first()?;
            self.0 = rest;
            n |= usize::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return Some(n);
            }
        }
        None
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.number()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn range(&mut self) -> Option<TextRange> {
        let start = self.number()?;
        Some(start..start.checked_add(self.number()?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(
            pointers in prop::collection::vec(("(/[a-zé0-9]{0,4}){0,4}", 0usize..1 << 50, 0usize..9_000, any::<bool>()), 0..30),
        ) {
            let json = serde_json::json!({
                "name": "a", "source": {"kind": "local_path", "path": ".", "include": [], "exclude": []},
                "image": {"kind": "nix_packages", "packages": ["é"]},
                "resources": {"cpu_cores": 1, "memory_mb": 64, "rootfs_size_mb": 64},
                "network": {"mode": "deny", "ports": []}, "env": {}, "entrypoints": [],
                "dependencies": {"kind": "none"}, "mounts": [],
            });
            let app: App = serde_json::from_value(json).unwrap();
            let mut pointers: Pointers = pointers
                .into_iter()
                .map(|(p, start, length, d)| (p, start..start + length, d.then_some(length..length + start)))
                .collect();
            pointers.sort_by(|a, b| a.0.cmp(&b.0));
            let volumes = vec![Volume { name: "v".into(), size_mb: Some(1) }];
            let mut packed = Outline {
                kind: DeclarationKind::App, incomplete: false, decorator: 0..0, callee: 0..0, arguments_range: 0..0,
                ends: None, name: "".into(), name_is_id: false, name_range: 0..0, source: "".into(),
                given: Box::default(), volumes: Box::default(), function: Box::default(),
                call: HelperCall { helper: "app", callee: 0..0, arguments_range: 0..0, arguments: Vec::new() },
                lowered: Lowered::Packed(pack(&app, &volumes, &pointers)),
            };
            let all = packed.unpack().unwrap();
            prop_assert_eq!((&all.app, &all.volumes, &all.pointers), (&app, &volumes, &pointers));
            let bytes = pack(&app, &volumes, &pointers);
            packed.lowered = Lowered::Packed(bytes[..bytes.len() - 1].into());
            prop_assert!(packed.unpack().is_none_or(|u| u.pointers != pointers || pointers.is_empty()));
        }
    }
}
