//! Unified differences of two texts, line by line.

const CONTEXT: usize = 3;
/// Beyond this many line pairs the middle is shown as replaced whole.
const MOST_WORK: usize = 4_000_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Op {
    Keep,
    Remove,
    Add,
}

/// The difference as `patch` reads it.
pub fn unified(name: &str, old: &str, new: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) =
        (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let ops = script(&a, &b);
    let mut out = format!("--- {}\n+++ {}\n", header("a", name), header("b", name));
    let changed: Vec<usize> =
        ops.iter().enumerate().filter(|(_, op)| **op != Op::Keep).map(|(i, _)| i).collect();
    let mut at = 0;
    while at < changed.len() {
        let first = changed[at].saturating_sub(CONTEXT);
        let mut last = changed[at];
        while at < changed.len() && changed[at] <= last + 2 * CONTEXT {
            last = changed[at];
            at += 1;
        }
        hunk(&mut out, &ops, first..(last + CONTEXT + 1).min(ops.len()), &a, &b);
    }
    out
}

/// A name as `patch` and git read it: with blanks it ends with a tab, since the rest would be a date; one with characters
/// that steer is quoted as in C.
fn header(side: &str, name: &str) -> String {
    if !name.contains(|c: char| c.is_ascii_control() || matches!(c, '"' | '\\')) {
        let end = if name.contains(' ') { "\t" } else { "" };
        return format!("{side}/{name}{end}");
    }
    let mut quoted = format!("\"{side}/");
    for c in name.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_ascii_control() => quoted.push_str(&format!("\\{:03o}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn hunk(out: &mut String, ops: &[Op], range: std::ops::Range<usize>, a: &[&str], b: &[&str]) {
    let count = |part: &[Op], not: Op| part.iter().filter(|o| **o != not).count();
    let (mut i, mut j) = (count(&ops[..range.start], Op::Add), count(&ops[..range.start], Op::Remove));
    let part = &ops[range];
    let (n, m) = (count(part, Op::Add), count(part, Op::Remove));
    let start = |at: usize, len: usize| if len == 0 { at } else { at + 1 };
    out.push_str(&format!("@@ -{},{n} +{},{m} @@\n", start(i, n), start(j, m)));
    for op in part {
        let (sign, line) = match op {
            Op::Keep => (' ', a[i]),
            Op::Remove => ('-', a[i]),
            Op::Add => ('+', b[j]),
        };
        i += usize::from(*op != Op::Add);
        j += usize::from(*op != Op::Remove);
        out.push(sign);
        out.push_str(line);
        if !line.ends_with('\n') {
            out.push_str("\n\\ No newline at end of file\n");
        }
    }
}

/// Longest common subsequence between the common head and tail.
fn script(a: &[&str], b: &[&str]) -> Vec<Op> {
    let head = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (ra, rb) = (&a[head..], &b[head..]);
    let tail = ra.iter().rev().zip(rb.iter().rev()).take_while(|(x, y)| x == y).count();
    let (ra, rb) = (&ra[..ra.len() - tail], &rb[..rb.len() - tail]);
    let mut ops = vec![Op::Keep; head];
    middle(ra, rb, &mut ops);
    ops.extend(std::iter::repeat_n(Op::Keep, tail));
    ops
}

fn middle(a: &[&str], b: &[&str], ops: &mut Vec<Op>) {
    let width = b.len() + 1;
    if (a.len() + 1).saturating_mul(width) > MOST_WORK {
        ops.extend(std::iter::repeat_n(Op::Remove, a.len()));
        ops.extend(std::iter::repeat_n(Op::Add, b.len()));
        return;
    }
    let mut longest = vec![0u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            longest[i * width + j] = if a[i] == b[j] {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            ops.push(Op::Keep);
            i += 1;
            j += 1;
        } else if j == b.len() || (i < a.len() && longest[(i + 1) * width + j] >= longest[i * width + j + 1])
        {
            ops.push(Op::Remove);
            i += 1;
        } else {
            ops.push(Op::Add);
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hunks_have_context_and_right_numbers() {
        let old: String = (1..=20).map(|n| format!("{n}\n")).collect();
        let new = old.replace("10\n", "ten\n").replace("\n2\n", "\n").replace("20\n", "20");
        assert_eq!(
            unified("x", &old, &new),
            "--- a/x\n+++ b/x\n@@ -1,5 +1,4 @@\n 1\n-2\n 3\n 4\n 5\n@@ -7,7 +6,7 @@\n 7\n 8\n 9\n-10\n+ten\n 11\n 12\n 13\n@@ -17,4 +16,4 @@\n 17\n 18\n 19\n-20\n+20\n\\ No newline at end of file\n"
        );
    }

    #[test]
    fn names_that_steer_are_quoted() {
        assert_eq!(header("a", "x.py"), "a/x.py");
        assert_eq!(header("a", "x y.py"), "a/x y.py\t");
        assert_eq!(header("b", "x\ny\x1b\"z\\.py"), r#""b/x\ny\033\"z\\.py""#);
    }
}
