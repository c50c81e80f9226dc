//! Credentials for tests, made at run time from the table's shapes: none is ever written down.

use super::shape::{Class, Element, Shape};
use super::{PROVIDERS, Provider};

/// A small deterministic generator.
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Noise(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 11
    }

    fn of(&mut self, class: Class) -> char {
        // Marks are rare in what issuers make of random bytes; letters and digits are enough here.
        loop {
            let byte = (self.next() % 128) as u8;
            if byte.is_ascii_alphanumeric() && class.has(byte) {
                return char::from(byte);
            }
        }
    }

    /// So many letters and digits.
    pub fn alphanumeric(&mut self, length: usize) -> String {
        (0..length)
            .map(|_| {
                loop {
                    let byte = (self.next() % 128) as u8;
                    if byte.is_ascii_alphanumeric() {
                        return char::from(byte);
                    }
                }
            })
            .collect()
    }
}

/// A text of this shape.
pub fn of_shape(shape: &str, noise: &mut Noise) -> String {
    let mut out = String::new();
    for element in Shape::parse(shape).elements {
        match element {
            Element::Literal(bytes) => out.push_str(&String::from_utf8_lossy(bytes)),
            Element::Run { class, min, max } => {
                let count = min.max(max.min(min + 4).min(min)) + usize::from(max > min + 20) * 12;
                (0..count).for_each(|_| out.push(noise.of(class)));
            }
        }
    }
    out
}

/// A credential of this provider and shape, its checksum right.
pub fn credential(provider: &Provider, shape: &str, seed: u64) -> String {
    let mut token = of_shape(shape, &mut Noise::new(seed));
    if let Some(check) = provider.check {
        check.seal(&mut token);
    }
    token
}

/// The first credential of a provider, by its id.
pub fn of(id: &str) -> String {
    let provider = PROVIDERS.iter().find(|p| p.id == id).unwrap_or_else(|| panic!("no provider {id}"));
    let shape =
        provider.shapes.first().or(provider.hinted.first()).unwrap_or_else(|| panic!("{id} has no shape"));
    credential(provider, shape, 7)
}
