//! Numbers: literals and bounded arithmetic with Python's meaning of `//`, `%` and `**`.

const COMPLEX: &str = "complex numbers are not read";

/// An integer literal; the error is the message of a refusal, and whether Python refuses too.
pub(crate) fn int(text: &str) -> Result<i128, (&'static str, bool)> {
    const LARGE: &str = "the integer is too large to be read";
    if text.ends_with(['j', 'J']) {
        return Err((COMPLEX, false));
    }
    let lower = text.to_ascii_lowercase();
    let (digits, radix) = match lower.get(..2) {
        Some("0x") => (&lower[2..], 16),
        Some("0o") => (&lower[2..], 8),
        Some("0b") => (&lower[2..], 2),
        _ => (lower.as_str(), 10),
    };
    let bad_underscore =
        digits.ends_with('_') || digits.contains("__") || radix == 10 && digits.starts_with('_');
    let plain: String = digits.chars().filter(|c| *c != '_').collect();
    if bad_underscore || plain.is_empty() || !plain.chars().all(|c| c.is_digit(radix)) {
        return Err(("the number is not valid Python", true));
    }
    if radix == 10 && plain.len() > 1 && plain.starts_with('0') && plain.bytes().any(|b| b != b'0') {
        return Err(("leading zeros are not valid Python; use `0o` for octal", true));
    }
    i128::from_str_radix(&plain, radix).map_err(|_| (LARGE, false))
}

/// A float literal.
pub(crate) fn float(text: &str) -> Result<f64, (&'static str, bool)> {
    if text.ends_with(['j', 'J']) {
        return Err((COMPLEX, false));
    }
    let plain: String = text.chars().filter(|c| *c != '_').collect();
    plain.parse().map_err(|_| ("the number is not valid Python", true))
}

/// Integer arithmetic. The error is the message of a refusal.
pub(crate) fn arithmetic(operator: &str, a: i128, b: i128) -> Result<i128, &'static str> {
    const LARGE: &str = "the result is too large to be read";
    match operator {
        "+" => a.checked_add(b).ok_or(LARGE),
        "-" => a.checked_sub(b).ok_or(LARGE),
        "*" => a.checked_mul(b).ok_or(LARGE),
        "//" | "%" if b == 0 => Err("this divides by zero"),
        "//" => {
            let q = a.checked_div(b).ok_or(LARGE)?;
            Ok(if a % b != 0 && (a < 0) != (b < 0) { q - 1 } else { q })
        }
        "%" => {
            let r = a.checked_rem(b).ok_or(LARGE)?;
            Ok(if r != 0 && (r < 0) != (b < 0) { r + b } else { r })
        }
        "**" if b < 0 => {
            Err("a negative exponent makes a float power, which depends on the C library of the machine")
        }
        "**" => match (a, u32::try_from(b)) {
            (0 | 1, _) => Ok(if b == 0 { 1 } else { a }),
            (-1, _) => Ok(if b % 2 == 0 { 1 } else { -1 }),
            (_, Ok(b)) => a.checked_pow(b).ok_or(LARGE),
            (_, Err(_)) => Err(LARGE),
        },
        _ => Err("this operator is not read in a declaration"),
    }
}

/// Arithmetic that makes a float: with a float in it, or `/` of integers. As CPython's `float` does it.
pub(crate) fn float_arithmetic(operator: &str, a: f64, b: f64) -> Result<f64, &'static str> {
    match operator {
        "+" => Ok(a + b),
        "-" => Ok(a - b),
        "*" => Ok(a * b),
        "/" | "//" | "%" if b == 0.0 => Err("this divides by zero"),
        "/" => Ok(a / b),
        "//" => Ok(divided(a, b).0),
        "%" => Ok(divided(a, b).1),
        "**" => Err("a power of floats depends on the C library of the machine: write the result"),
        _ => Err("this operator is not read in a declaration"),
    }
}

/// `divmod(a, b)` of floats: the remainder has the divisor's sign, and the quotient is the nearest whole number.
fn divided(a: f64, b: f64) -> (f64, f64) {
    let mut rest = a % b;
    let mut quotient = (a - rest) / b;
    if rest == 0.0 {
        rest = 0.0_f64.copysign(b);
    } else if (b < 0.0) != (rest < 0.0) {
        rest += b;
        quotient -= 1.0;
    }
    if quotient == 0.0 {
        return (0.0_f64.copysign(a / b), rest);
    }
    let floor = quotient.floor();
    (if quotient - floor > 0.5 { floor + 1.0 } else { floor }, rest)
}

/// An integer as the float that Python makes of it in arithmetic; `None` where that float is another number.
pub(crate) fn exact(n: i128) -> Option<f64> {
    (n.unsigned_abs() <= 1 << 53).then_some(n as f64)
}
