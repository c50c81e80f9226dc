//! Reads the server name out of the first TLS message of a client, however it is cut into records. It is compared
//! with the host that was allowed; nothing is decrypted.

/// What the first bytes of a connection are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// More bytes are needed.
    Incomplete,
    /// A TLS greeting, with the server name it carries, in lower case.
    Tls(Option<String>),
    /// Something else.
    NotTls,
}

/// A greeting longer than this is none.
pub const MAX_GREETING: usize = 64 * 1024;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;

/// Looks at the first bytes of a connection.
pub fn server_name(bytes: &[u8]) -> Greeting {
    match handshake(bytes) {
        Err(greeting) => greeting,
        Ok(message) => match client_hello(&message) {
            Some(name) => Greeting::Tls(name),
            None => Greeting::NotTls,
        },
    }
}

/// The body of the first handshake message, put together from its records.
fn handshake(bytes: &[u8]) -> Result<Vec<u8>, Greeting> {
    let mut message: Vec<u8> = Vec::new();
    let mut rest = bytes;
    loop {
        if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
            return Err(Greeting::NotTls);
        }
        if let Some(&[_, a, b, c]) = message.first_chunk::<4>() {
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            if length > MAX_GREETING {
                return Err(Greeting::NotTls);
            }
            if message.len() >= 4 + length {
                message.truncate(4 + length);
                message.drain(..4);
                return Ok(message);
            }
        }
        if rest.first().is_some_and(|kind| *kind != HANDSHAKE) || rest.get(1).is_some_and(|major| *major != 3)
        {
            return Err(Greeting::NotTls);
        }
        let Some((&[_, _, _, a, b], body)) = rest.split_first_chunk::<5>() else {
            return Err(Greeting::Incomplete);
        };
        let length = usize::from(u16::from_be_bytes([a, b]));
        if length == 0 || length > 1 << 14 {
            return Err(Greeting::NotTls);
        }
        // A record that is still on its way can show already that this is no greeting.
        let have = length.min(body.len());
        message.extend_from_slice(&body[..have]);
        rest = &body[have..];
        if have < length {
            let other = message.first().is_some_and(|kind| *kind != CLIENT_HELLO);
            return Err(if other { Greeting::NotTls } else { Greeting::Incomplete });
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }
    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|b| b[0])
    }
    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|b| u16::from_be_bytes([b[0], b[1]]))
    }
    fn short(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?;
        self.take(length.into())
    }
    fn long(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(length.into())
    }
}

/// The name in a client's greeting: `None` when it is malformed, `Some(None)` when it carries no name.
fn client_hello(body: &[u8]) -> Option<Option<String>> {
    let mut hello = Reader(body);
    hello.take(2 + 32)?; // version, random
    hello.short()?; // session
    hello.long()?; // ciphers
    hello.short()?; // compression
    if hello.0.is_empty() {
        return Some(None);
    }
    let mut extensions = Reader(hello.long()?);
    let mut found = None;
    while !extensions.0.is_empty() {
        let (kind, data) = (extensions.u16()?, extensions.long()?);
        if kind == SERVER_NAME {
            let mut names = Reader(Reader(data).long()?);
            let (kind, name) = (names.u8()?, names.long()?);
            // Two names, or two lists, could be read differently by the server.
            if kind != HOST_NAME || !names.0.is_empty() || found.is_some() {
                return None;
            }
            found = Some(std::str::from_utf8(name).ok()?.to_ascii_lowercase());
        }
    }
    Some(found)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A greeting for a name, in records of at most `record` bytes.
    pub fn greeting(name: Option<&str>, record: usize) -> Vec<u8> {
        let mut extensions = vec![0, 10, 0, 4, 0, 2, 0, 29];
        if let Some(name) = name {
            let length = name.len() as u16;
            for part in [0, length + 5, length + 3] {
                extensions.extend(part.to_be_bytes());
            }
            extensions.push(HOST_NAME);
            extensions.extend(length.to_be_bytes());
            extensions.extend(name.as_bytes());
        }
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0, 2, 0x13, 1, 1, 0]);
        body.extend((extensions.len() as u16).to_be_bytes());
        body.extend(extensions);
        let mut message = vec![CLIENT_HELLO];
        message.extend(&(body.len() as u32).to_be_bytes()[1..]);
        message.extend(body);
        let records = message.chunks(record).flat_map(|part| {
            let [a, b] = (part.len() as u16).to_be_bytes();
            [&[HANDSHAKE, 3, 1, a, b], part].concat()
        });
        records.collect()
    }

    #[test]
    fn the_name_is_found_however_the_greeting_is_cut() {
        for record in [1, 7, 50, 16_000] {
            let bytes = greeting(Some("API.Example.com"), record);
            assert_eq!(server_name(&bytes), Greeting::Tls(Some("api.example.com".into())), "{record}");
            for cut in 0..bytes.len() {
                assert_eq!(server_name(&bytes[..cut]), Greeting::Incomplete, "{record} {cut}");
            }
        }
        assert_eq!(server_name(&greeting(None, 16_000)), Greeting::Tls(None));
    }

    #[test]
    fn other_protocols_are_no_greeting() {
        for bytes in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"SSH-2.0-x",
            &[22, 2, 0, 0, 1, 1],
            &[22, 3, 1, 0, 1, 2],
            &[22, 3, 1, 0, 0],
        ] {
            assert_eq!(server_name(bytes), Greeting::NotTls, "{bytes:?}");
        }
    }

    #[test]
    fn a_changed_byte_never_panics_and_never_gives_another_name() {
        let bytes = greeting(Some("api.example.com"), 16_000);
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = value;
                if let Greeting::Tls(Some(name)) = server_name(&changed) {
                    assert!(name.len() <= bytes.len());
                }
            }
        }
    }
}
