//! Checks inside credentials: what carries a checksum can be told from what only looks the part.

/// How a credential proves itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// GitHub, npm: the last six characters are the CRC-32 of those after the prefix, in base 62.
    Crc32Base62,
    /// Grafana: the last eight characters are the CRC-32 of the rest, in hex.
    GrafanaCrc32,
    /// The first part decodes to a JSON object with `alg`.
    Jwt,
    /// The first part decodes to a number.
    Discord,
}

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

impl Check {
    /// Does the credential hold?
    pub fn holds(self, token: &str) -> bool {
        match self {
            Check::Crc32Base62 => {
                let Some((_, body)) = token.split_once('_') else { return false };
                let Some(cut) = body.len().checked_sub(6) else { return false };
                base62(crc32(&body.as_bytes()[..cut])).as_bytes() == &body.as_bytes()[cut..]
            }
            Check::GrafanaCrc32 => token
                .rsplit_once('_')
                .is_some_and(|(rest, sum)| format!("{:08x}", crc32(rest.as_bytes())) == sum),
            Check::Discord => token
                .split('.')
                .next()
                .and_then(super::decode::base64)
                .is_some_and(|id| id.len() > 15 && id.iter().all(u8::is_ascii_digit)),
            Check::Jwt => token
                .split('.')
                .next()
                .and_then(super::decode::base64)
                .and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok())
                .is_some_and(|header| header.get("alg").is_some()),
        }
    }

    /// Without a valid checksum the text is not even likely a credential.
    pub fn is_structural(self) -> bool {
        matches!(self, Check::Jwt | Check::Discord)
    }

    /// Makes the last characters of a sample hold.
    #[cfg(test)]
    pub fn seal(self, token: &mut String) {
        match self {
            Check::Crc32Base62 => {
                let start = token.find('_').map_or(0, |at| at + 1);
                let cut = token.len() - 6;
                let sum = base62(crc32(&token.as_bytes()[start..cut]));
                token.replace_range(cut.., &sum);
            }
            Check::GrafanaCrc32 => {
                let cut = token.len() - 8;
                let sum = format!("{:08x}", crc32(&token.as_bytes()[..cut - 1]));
                token.replace_range(cut.., &sum);
            }
            Check::Discord => {
                // Base64 of "112233445566778899".
                let rest = token.find('.').unwrap_or(0);
                token.replace_range(..rest, &["MTEyMjMzNDQ1", "NTY2Nzc4ODk5"].concat());
            }
            Check::Jwt => {
                // {"alg":"HS256","typ":"JWT"}
                let rest = token.find('.').unwrap_or(0);
                let header = ["eyJhbGciOiJI", "UzI1NiIsInR5", "cCI6IkpXVCJ9"].concat();
                token.replace_range(..rest, &header);
            }
        }
    }
}

/// CRC-32 of credentials that manuals print and emulators come with, which open nothing: of Azurite and the Cosmos
/// emulator, and in the documentation of Stripe, GitHub, Telegram, Discord, Google, Slack and Mailgun.
const PUBLISHED: &[u32] = &[
    0xB4CB_D586,
    0x8770_7360,
    0x776D_E070,
    0x396D_8142,
    0x9088_91F9,
    0x8403_652E,
    0x2831_AFE3,
    0x7202_4BFF,
    0xB4A1_FFD1,
    0x3DEF_03D5,
    0x346E_E36A,
];

/// Is it one that everybody knows? `AccountKey=` may stand before it.
pub fn is_published(credential: &str) -> bool {
    let known = |text: &str| (32..=88).contains(&text.len()) && PUBLISHED.contains(&crc32(text.as_bytes()));
    known(credential) || credential.split_once('=').is_some_and(|(_, value)| known(value))
}

/// CRC-32 (IEEE), bit by bit: tokens are short.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 },
        )
    })
}

fn base62(mut n: u32) -> String {
    let mut out = [b'0'; 6];
    for digit in out.iter_mut().rev() {
        *digit = BASE62[(n % 62) as usize];
        n /= 62;
    }
    out.iter().map(|b| char::from(*b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crc_is_the_well_known_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn what_manuals_print_opens_nothing() {
        let printed = ["sk_test_", "4eC39HqLyjWD", "arjtT1zdp7dc"].concat();
        assert!(is_published(&printed) && !is_published(&printed.replace('4', "5")));
        let emulator =
            ["Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsu", "Fq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="];
        assert!(is_published(&format!("AccountKey={}", emulator.concat())));
    }

    #[test]
    fn a_sealed_token_holds_and_a_changed_one_does_not() {
        let mut token = format!("ghp_{}", "a1B2c3".repeat(6));
        assert!(!Check::Crc32Base62.holds(&token));
        Check::Crc32Base62.seal(&mut token);
        assert!(Check::Crc32Base62.holds(&token));
        token.replace_range(4..5, "z");
        assert!(!Check::Crc32Base62.holds(&token));
        assert!(!Check::Crc32Base62.holds("x_1"));
        assert!(!Check::Jwt.holds("eyJ.eyJ.x"));
    }
}
