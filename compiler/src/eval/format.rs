//! Replacement fields of f-strings: conversions and format specifiers of strings, integers and floats.

use crate::value::{Value, ValueKind};

type Refused = &'static str;

/// `format(value, spec)` after the conversion.
pub(crate) fn field(value: &Value, conversion: Option<char>, spec: &str) -> Result<String, Refused> {
    match conversion {
        None => format(value, spec),
        Some('s') => format_str(&text(value)?, spec),
        Some('r') => format_str(&repr(value, false)?, spec),
        Some('a') => format_str(&repr(value, true)?, spec),
        Some(_) => Err("the conversion must be `!s`, `!r` or `!a`"),
    }
}

/// `str(value)`
fn text(value: &Value) -> Result<String, Refused> {
    match &value.kind {
        ValueKind::Str(s) => Ok(s.clone()),
        _ => repr(value, false),
    }
}

/// `repr(value)`, or `ascii(value)`.
fn repr(value: &Value, ascii: bool) -> Result<String, Refused> {
    Ok(match &value.kind {
        ValueKind::None => "None".to_owned(),
        ValueKind::Bool(true) => "True".to_owned(),
        ValueKind::Bool(false) => "False".to_owned(),
        ValueKind::Int(n) => n.to_string(),
        ValueKind::Float(f) => float_repr(*f),
        ValueKind::Str(s) => str_repr(s, ascii)?,
        ValueKind::Bytes(bytes) => bytes_repr(bytes),
        ValueKind::List(items) => format!("[{}]", listed(items, ascii)?),
        ValueKind::Tuple(items) if items.len() == 1 => format!("({},)", listed(items, ascii)?),
        ValueKind::Tuple(items) => format!("({})", listed(items, ascii)?),
        ValueKind::Set(items) if items.len() > 1 => {
            return Err("a set has no order in which it could be written: use a list or a tuple");
        }
        ValueKind::Set(items) => format!("{{{}}}", listed(items, ascii)?),
        ValueKind::Dict(pairs) => {
            let pair = |(k, v): &(Value, Value)| -> Result<String, Refused> {
                Ok(format!("{}: {}", repr(k, ascii)?, repr(v, ascii)?))
            };
            let pairs: Vec<String> = pairs.iter().map(pair).collect::<Result<_, _>>()?;
            format!("{{{}}}", pairs.join(", "))
        }
        ValueKind::Call(_) | ValueKind::Refused => return Err("what a helper returns is not text"),
    })
}

fn listed(items: &[Value], ascii: bool) -> Result<String, Refused> {
    let items: Vec<String> = items.iter().map(|item| repr(item, ascii)).collect::<Result<_, _>>()?;
    Ok(items.join(", "))
}

fn bytes_repr(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    let mut out = format!("b{quote}");
    for &b in bytes {
        match b {
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b' '..=b'~' => {
                if b == b'\\' || char::from(b) == quote {
                    out.push('\\');
                }
                out.push(char::from(b));
            }
            _ => out.push_str(&format!("\\x{b:02x}")),
        }
    }
    out.push(quote);
    out
}

fn str_repr(s: &str, ascii: bool) -> Result<String, Refused> {
    let quote = if s.contains('\'') && !s.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in s.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            ' '..='~' => out.push(c),
            c if u32::from(c) < 0x80 => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if ascii => match u32::from(c) {
                n @ 0..0x100 => out.push_str(&format!("\\x{n:02x}")),
                n @ 0..0x1_0000 => out.push_str(&format!("\\u{n:04x}")),
                n => out.push_str(&format!("\\U{n:08x}")),
            },
            c if c.is_alphanumeric() => out.push(c),
            // Whether Python prints it depends on the Unicode version of that Python.
            _ => return Err("`!r` of this character depends on the version of Python: write it out"),
        }
    }
    out.push(quote);
    Ok(out)
}

/// `repr` of a float: the shortest digits, in CPython's layout.
pub(crate) fn float_repr(f: f64) -> String {
    if f.is_nan() {
        return "nan".to_owned();
    }
    if f.is_infinite() {
        return if f > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{f:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = format!("{f}");
        return if plain.contains('.') { plain } else { format!("{plain}.0") };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// A parsed format specifier.
#[derive(Debug, Default)]
struct Spec {
    fill: Option<char>,
    align: Option<char>,
    sign: Option<char>,
    alternate: bool,
    zero: bool,
    width: usize,
    grouping: Option<char>,
    precision: Option<usize>,
    kind: Option<char>,
}

const BAD: Refused = "the format specifier is not valid for this value";
const LOCALE: Refused = "the format `n` depends on the locale of the machine";
const WIDE: Refused = "the format specifier asks for more text than is read";

fn parse(spec: &str) -> Result<Spec, Refused> {
    let chars: Vec<char> = spec.chars().collect();
    let mut s = Spec::default();
    let mut i = 0;
    let is_align = |c: Option<&char>| matches!(c, Some('<' | '>' | '=' | '^'));
    if is_align(chars.get(1)) {
        s.fill = Some(chars[0]);
        s.align = Some(chars[1]);
        i = 2;
    } else if is_align(chars.first()) {
        s.align = Some(chars[0]);
        i = 1;
    }
    if let Some(c @ ('+' | '-' | ' ')) = chars.get(i) {
        s.sign = Some(*c);
        i += 1;
    }
    if chars.get(i) == Some(&'z') {
        return Err("the `z` option is not read");
    }
    if chars.get(i) == Some(&'#') {
        s.alternate = true;
        i += 1;
    }
    if chars.get(i) == Some(&'0') {
        s.zero = true;
        i += 1;
    }
    s.width = digits(&chars, &mut i)?.unwrap_or(0);
    if let Some(c @ (',' | '_')) = chars.get(i) {
        s.grouping = Some(*c);
        i += 1;
    }
    if chars.get(i) == Some(&'.') {
        i += 1;
        s.precision = Some(digits(&chars, &mut i)?.ok_or(BAD)?);
    }
    if let Some(c) = chars.get(i) {
        s.kind = Some(*c);
        i += 1;
    }
    if i == chars.len() { Ok(s) } else { Err(BAD) }
}

fn digits(chars: &[char], i: &mut usize) -> Result<Option<usize>, Refused> {
    let start = *i;
    while chars.get(*i).is_some_and(char::is_ascii_digit) {
        *i += 1;
    }
    if start == *i {
        return Ok(None);
    }
    let text: String = chars[start..*i].iter().collect();
    match text.parse::<usize>() {
        Ok(n) if n <= 10_000 => Ok(Some(n)),
        _ => Err(WIDE),
    }
}

fn format(value: &Value, spec: &str) -> Result<String, Refused> {
    match &value.kind {
        ValueKind::Str(s) => format_str(s, spec),
        ValueKind::Bool(_) | ValueKind::None if spec.is_empty() => repr(value, false),
        ValueKind::Bool(b) => format_int(i128::from(*b), spec),
        ValueKind::Int(n) => format_int(*n, spec),
        ValueKind::Float(f) => format_float(*f, spec),
        _ if spec.is_empty() => repr(value, false),
        _ => Err(BAD),
    }
}

fn format_str(s: &str, spec: &str) -> Result<String, Refused> {
    let spec = parse(spec)?;
    let refused = spec.sign.is_some()
        || spec.alternate
        || spec.grouping.is_some()
        || !matches!(spec.kind, None | Some('s'))
        || spec.align == Some('=');
    if refused {
        return Err(BAD);
    }
    // CPython 3.10 and later read the `0` of `{'a':05}` as a fill; before, it was an error.
    if spec.zero && spec.fill.is_none() && spec.align.is_none() {
        return Err("`0` before the width of a string depends on the version of Python");
    }
    let body: String = s.chars().take(spec.precision.unwrap_or(usize::MAX)).collect();
    Ok(pad(&spec, "", &body, '<'))
}

/// What fills the width, and where.
fn padding(spec: &Spec, default: char) -> (char, char) {
    match (spec.fill, spec.align, spec.zero) {
        (fill, Some(align), zero) => (fill.unwrap_or(if zero { '0' } else { ' ' }), align),
        (_, None, true) => ('0', '='),
        (_, None, false) => (' ', default),
    }
}

/// Pads `sign + body` to the width.
fn pad(spec: &Spec, sign: &str, body: &str, default: char) -> String {
    let length = sign.chars().count() + body.chars().count();
    let missing = spec.width.saturating_sub(length);
    let (fill, align) = padding(spec, default);
    let fill = |n: usize| std::iter::repeat_n(fill, n).collect::<String>();
    match align {
        '<' => format!("{sign}{body}{}", fill(missing)),
        '>' => format!("{}{sign}{body}", fill(missing)),
        '^' => format!("{}{sign}{body}{}", fill(missing / 2), fill(missing - missing / 2)),
        _ => format!("{sign}{}{body}", fill(missing)),
    }
}

fn sign(spec: &Spec, negative: bool) -> &'static str {
    match (negative, spec.sign) {
        (true, _) => "-",
        (false, Some('+')) => "+",
        (false, Some(' ')) => " ",
        _ => "",
    }
}

/// Digits in groups. Where zeros fill the width, they are grouped too: `around` stands beside the digits.
fn group(spec: &Spec, digits: &str, every: usize, separator: char, around: usize) -> String {
    let zeros = padding(spec, '>') == ('0', '=');
    let width = if zeros { spec.width.saturating_sub(around) } else { 0 };
    let mut length = digits.len();
    while length + length.saturating_sub(1) / every < width {
        length += 1;
    }
    let digits = format!("{digits:0>length$}");
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(every) {
            out.push(separator);
        }
        out.push(c);
    }
    out
}

fn format_int(n: i128, text: &str) -> Result<String, Refused> {
    let spec = parse(text)?;
    if matches!(spec.kind, Some('e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%')) {
        // Above this an integer is no longer one float.
        if n.unsigned_abs() > 1 << 53 {
            return Err("a format of floats for so large an integer is not read");
        }
        return format_float(n as f64, text);
    }
    if spec.precision.is_some() {
        return Err(BAD);
    }
    let magnitude = n.unsigned_abs();
    let (prefix, digits, every) = match spec.kind {
        None | Some('d') => ("", magnitude.to_string(), 3),
        Some('b') => ("0b", format!("{magnitude:b}"), 4),
        Some('o') => ("0o", format!("{magnitude:o}"), 4),
        Some('x') => ("0x", format!("{magnitude:x}"), 4),
        Some('X') => ("0X", format!("{magnitude:X}"), 4),
        Some('c') if spec.sign.is_none() && !spec.alternate && spec.grouping.is_none() => {
            let character = u32::try_from(n).ok().and_then(char::from_u32).ok_or(BAD)?;
            return Ok(pad(&spec, "", character.encode_utf8(&mut [0; 4]), '>'));
        }
        Some('n') => return Err(LOCALE),
        Some(_) => return Err(BAD),
    };
    let decimal = every == 3;
    let prefix = if spec.alternate && !decimal { prefix } else { "" };
    let sign = format!("{}{prefix}", sign(&spec, n < 0));
    let body = match spec.grouping {
        Some(',') if !decimal => return Err(BAD),
        Some(separator) => group(&spec, &digits, every, separator, sign.len()),
        None => digits,
    };
    Ok(pad(&spec, &sign, &body, '>'))
}

fn format_float(f: f64, text: &str) -> Result<String, Refused> {
    let spec = parse(text)?;
    if !f.is_finite() && text.is_empty() {
        return Ok(float_repr(f));
    }
    if !f.is_finite() || spec.alternate {
        return Err("this format of a float is not read");
    }
    let magnitude = f.abs();
    let precision = spec.precision.unwrap_or(6);
    if precision > 100 {
        return Err(WIDE);
    }
    let body = match spec.kind {
        None if spec.precision.is_none() => float_repr(magnitude),
        None => general(magnitude, precision.max(1), true),
        Some('g') => general(magnitude, precision.max(1), false),
        Some('G') => general(magnitude, precision.max(1), false).to_uppercase(),
        Some('f' | 'F') => format!("{magnitude:.precision$}"),
        Some('%') if (magnitude * 100.0).is_finite() => format!("{:.precision$}%", magnitude * 100.0),
        Some('e') => scientific(magnitude, precision),
        Some('E') => scientific(magnitude, precision).to_uppercase(),
        Some('n') => return Err(LOCALE),
        Some(_) => return Err(BAD),
    };
    let sign = sign(&spec, f.is_sign_negative());
    let body = match spec.grouping {
        None => body,
        Some(separator) => {
            let whole = body.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(body.len());
            let around = sign.len() + body.len() - whole;
            format!("{}{}", group(&spec, &body[..whole], 3, separator, around), &body[whole..])
        }
    };
    Ok(pad(&spec, sign, &body, '>'))
}

/// One digit, the point, and so many more: `1.50e+10`.
fn scientific(magnitude: f64, precision: usize) -> String {
    let text = format!("{magnitude:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// The format `g`: so many significant digits, without trailing zeros. Without a kind (`plain`) it shows that it is a
/// float: `3.0`, and turns to the scientific form one digit earlier.
fn general(magnitude: f64, precision: usize, plain: bool) -> String {
    let text = scientific(magnitude, precision - 1);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "+00"));
    let power: i64 = exponent.parse().unwrap_or(0);
    let digits = i64::try_from(precision).unwrap_or(i64::MAX);
    let without_zeros = |s: &str| match s.contains('.') {
        true => s.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => s.to_owned(),
    };
    if power < -4 || power >= digits - i64::from(plain) {
        return format!("{}e{exponent}", without_zeros(mantissa));
    }
    let decimals = usize::try_from(digits - 1 - power).unwrap_or(0);
    let fixed = without_zeros(&format!("{magnitude:.decimals$}"));
    if plain && !fixed.contains('.') { format!("{fixed}.0") } else { fixed }
}
