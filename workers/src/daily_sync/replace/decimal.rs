//! Numbers with a point, in exact decimals: 0.8 to 1.2 times the number, or one of a range.

use std::fmt::Write as _;

use serde_json::Number;

use super::{
    Kind, Slot, Unfit,
    key::{Digest, Use},
};

#[derive(Clone)]
pub(super) struct Decimal {
    kind: Kind,
    range: Option<Range>,
    /// Of the number, without leading zeros, the highest first.
    digits: Vec<u8>,
    /// The lowest first.
    product: Vec<u8>,
    /// The number in the form that equal numbers share.
    normal: String,
}

/// A number's text without its digits.
struct Layout<'a> {
    negative: bool,
    /// Digits behind the point.
    scale: usize,
    /// As in `e+20`, or nothing.
    exponent: &'a str,
}

/// A factor is so many of these.
const ONE: u64 = 1_000_000_000;
/// No factor is nearer to one: a float4 has six digits, and would stay what it was.
const GAP: u64 = 1_000_000;
const LARGEST: [u128; 3] = [i16::MAX as u128, i32::MAX as u128, i64::MAX as u128];
/// The exponent of the largest float4, 3.4e38, less one.
const HUGE: i64 = 37;

impl Decimal {
    pub(super) fn new(min: Option<&Number>, max: Option<&Number>, slot: &Slot) -> Result<Self, String> {
        if slot.unique {
            return Err("its values are unique, and other numbers may meet".into());
        }
        let range = match (min, max) {
            (None, None) => None,
            (min, max) => Some(Range::new(min, max, slot.kind)?),
        };
        let normal = String::new();
        Ok(Self { kind: slot.kind, range, digits: Vec::new(), product: Vec::new(), normal })
    }

    /// Whether it could not be changed.
    pub(super) fn write(&mut self, text: &str, digests: &Use, out: &mut String) -> Result<bool, Unfit> {
        if matches!(text, "NaN" | "Infinity" | "-Infinity") {
            let Some(range) = &self.range else {
                out.push_str(text);
                return Ok(true);
            };
            range.write(&digests.digest(text), None, &mut self.normal, out);
            return Ok(false);
        }
        let layout = read(text, &mut self.digits).ok_or(Unfit("is no number"))?;
        self.normalize(&layout);
        let digest = digests.digest(&self.normal);
        let exact = self.kind != Kind::Float && layout.exponent.is_empty();
        if let Some(range) = &self.range {
            let scale = exact.then_some(layout.scale);
            range.write(&digest, scale, &mut self.normal, out);
            return Ok(false);
        }
        // Times 0.8 to 1.2 and rounded, 1 and 2 are what they were.
        if self.digits.is_empty() || exact && matches!(*self.digits, [1 | 2]) {
            out.push_str(text);
            return Ok(true);
        }
        let factor = factor(&digest);
        self.multiply(factor, exact);
        if factor > ONE && self.outgrows(&layout, exact) {
            self.multiply(2 * ONE - factor, exact);
        }
        if exact && self.product.iter().rev().eq(&self.digits) {
            self.decrement();
        }
        let scale = if exact { layout.scale } else { layout.scale + 9 };
        let digits = self.product.iter().rev().map(|digit| char::from(b'0' + digit));
        self.normal.clear();
        self.normal.extend(digits);
        if layout.negative && !self.normal.is_empty() {
            out.push('-');
        }
        place_point(&self.normal, scale, out);
        if !exact {
            out.truncate(out.trim_end_matches('0').trim_end_matches('.').len());
            out.push_str(layout.exponent);
        }
        Ok(false)
    }

    /// 1.0, 1.00 and 1 are equal: digits that end with none of zero, and the power of ten that they
    /// are taken times.
    fn normalize(&mut self, layout: &Layout<'_>) {
        self.normal.clear();
        let zeros = self.digits.iter().rev().take_while(|digit| **digit == 0).count();
        let kept = &self.digits[..self.digits.len() - zeros];
        if kept.is_empty() {
            return self.normal.push('0');
        }
        if layout.negative {
            self.normal.push('-');
        }
        self.normal.extend(kept.iter().map(|digit| char::from(b'0' + digit)));
        let power = exponent(layout.exponent) + zeros as i64 - layout.scale as i64;
        write!(self.normal, "e{power}").expect("a String takes all");
    }

    /// Exact: rounded to the scale that the number had. Else with nine digits more.
    fn multiply(&mut self, factor: u64, exact: bool) {
        self.product.clear();
        let mut carry = if exact { ONE / 2 } else { 0 };
        for digit in self.digits.iter().rev() {
            carry += u64::from(*digit) * factor;
            self.product.push((carry % 10) as u8);
            carry /= 10;
        }
        while carry > 0 {
            self.product.push((carry % 10) as u8);
            carry /= 10;
        }
        if exact {
            self.product.drain(..self.product.len().min(9));
        }
        while self.product.last() == Some(&0) {
            self.product.pop();
        }
    }

    /// Whether the product may be too large for a type that the number is not too large for: it has
    /// more digits (`numeric(4,2)`), or passes the largest of an integer type or of float4, float8.
    fn outgrows(&self, layout: &Layout<'_>, exact: bool) -> bool {
        if !exact {
            return self.product.len() > self.digits.len() + 9 || exponent(layout.exponent) >= HUGE;
        }
        let longer = self.product.len() > self.digits.len();
        if longer || self.kind != Kind::Integer {
            return longer;
        }
        let number = |digits: &mut dyn Iterator<Item = &u8>| {
            digits.fold(0_u128, |number, digit| number * 10 + u128::from(*digit))
        };
        let (was, is) = (number(&mut self.digits.iter()), number(&mut self.product.iter().rev()));
        // There is one negative number more.
        let limits = LARGEST.map(|largest| largest + u128::from(layout.negative));
        limits.iter().any(|limit| was <= *limit && is > *limit)
    }

    /// Three at least becomes one less: within 0.8 to 1.2 times, as rounded as the rest.
    fn decrement(&mut self) {
        for digit in &mut self.product {
            if *digit > 0 {
                *digit -= 1;
                break;
            }
            *digit = 9;
        }
        while self.product.last() == Some(&0) {
            self.product.pop();
        }
    }
}

/// From 0.8 to 1.2, in billionths.
fn factor(digest: &Digest) -> u64 {
    let below = ONE / 5 - GAP;
    let number = digest.number() % (2 * below);
    if number < below { ONE * 4 / 5 + number } else { ONE + GAP + 1 + number - below }
}

/// `money` in the locale C comes as `-$1,234.50`, and any number is read as `money`
/// (https://www.postgresql.org/docs/current/datatype-money.html).
fn read<'a>(text: &'a str, digits: &mut Vec<u8>) -> Option<Layout<'a>> {
    digits.clear();
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let negative = unsigned.len() < text.len();
    let unsigned = unsigned.strip_prefix('$').unwrap_or(unsigned);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => unsigned.split_at(at),
        None => (unsigned, ""),
    };
    let (mut count, mut point) = (0, None);
    for byte in mantissa.bytes() {
        match byte {
            b'0'..=b'9' => {
                count += 1;
                if byte > b'0' || !digits.is_empty() {
                    digits.push(byte - b'0');
                }
            }
            b'.' if point.is_none() => point = Some(count),
            b',' if count > 0 && point.is_none() => {}
            _ => return None,
        }
    }
    let power = exponent.get(1..).map(|power| power.strip_prefix(['+', '-']).unwrap_or(power));
    let wrong = power.is_some_and(|power| power.is_empty() || !power.bytes().all(|b| b.is_ascii_digit()));
    if count == 0 || wrong {
        return None;
    }
    Some(Layout { negative, scale: count - point.unwrap_or(count), exponent })
}

/// One that no type holds counts as a billion.
fn exponent(text: &str) -> i64 {
    let Some(power) = text.get(1..) else { return 0 };
    let billion = if power.starts_with('-') { -1_000_000_000 } else { 1_000_000_000 };
    power.parse().unwrap_or(billion)
}

/// The digits with a point before the last `scale` of them.
fn place_point(digits: &str, scale: usize, out: &mut String) {
    let (whole, rest) = digits.split_at(digits.len().saturating_sub(scale));
    out.push_str(if whole.is_empty() { "0" } else { whole });
    if scale > 0 {
        out.push('.');
        out.extend(std::iter::repeat_n('0', scale - rest.len()));
        out.push_str(rest);
    }
}

/// Bounds in units of the last place of the finer one.
#[derive(Clone)]
struct Range {
    min: i128,
    max: i128,
    scale: u32,
    whole: bool,
}

/// So many digits before the point, and behind it, are counted exactly in 128 bits.
const EXACT: u32 = 18;

impl Range {
    fn new(min: Option<&Number>, max: Option<&Number>, kind: Kind) -> Result<Self, String> {
        let bound = |bound: Option<&Number>, otherwise| bound.map_or(Ok((otherwise, 0)), units);
        let ((min, min_scale), (max, max_scale)) = (bound(min, 0)?, bound(max, 1_000_000)?);
        let scale = min_scale.max(max_scale);
        let (min, max) = (min * 10_i128.pow(scale - min_scale), max * 10_i128.pow(scale - max_scale));
        let range = Self { min, max, scale, whole: kind == Kind::Integer };
        if min > max {
            return Err("min is more than max".into());
        }
        if range.whole && range.at(0).is_none() {
            return Err("no whole number is between min and max".into());
        }
        Ok(range)
    }

    /// The first number of that scale, and how many there are, if any.
    fn at(&self, scale: u32) -> Option<(i128, u128)> {
        let (min, max) = if scale >= self.scale {
            let finer = 10_i128.pow(scale - self.scale);
            (self.min * finer, self.max * finer)
        } else {
            let coarser = 10_i128.pow(self.scale - scale);
            (-(-self.min).div_euclid(coarser), self.max.div_euclid(coarser))
        };
        (min <= max).then(|| (min, (max - min).cast_unsigned() + 1))
    }

    /// With the scale of the number that it stands for, where that is one and the range has numbers
    /// of it.
    fn write(&self, digest: &Digest, scale: Option<usize>, buffer: &mut String, out: &mut String) {
        let fine = (self.scale + 6).min(EXACT);
        let (wished, zeros) = match scale {
            _ if self.whole => (0, 0),
            None => (fine, 0),
            Some(scale) => (scale.min(EXACT as usize) as u32, scale.saturating_sub(EXACT as usize)),
        };
        let (scale, (min, count)) = match self.at(wished) {
            Some(numbers) => (wished, numbers),
            // Its own scale has the bounds at least.
            None => (self.scale, (self.min, (self.max - self.min).cast_unsigned() + 1)),
        };
        let number = min + (digest.wide_number() % count).cast_signed();
        buffer.clear();
        write!(buffer, "{}", number.unsigned_abs()).expect("a String takes all");
        if number < 0 {
            out.push('-');
        }
        let digits = if number == 0 { "" } else { buffer.as_str() };
        place_point(digits, scale as usize, out);
        if scale == EXACT {
            out.extend(std::iter::repeat_n('0', zeros));
        }
    }
}

/// A bound and its scale.
fn units(number: &Number) -> Result<(i128, u32), String> {
    let text = number.to_string();
    let wrong = || format!("{number} has more than {EXACT} digits before or behind its point");
    let mut digits = Vec::new();
    let layout = read(&text, &mut digits).ok_or_else(wrong)?;
    let power = exponent(layout.exponent) - layout.scale as i64;
    let (zeros, scale) = if power < 0 { (0, -power) } else { (power, 0) };
    let before = digits.len() as i64 + power;
    let most = i64::from(EXACT);
    if !digits.is_empty() && before > most || scale > most {
        return Err(wrong());
    }
    let units = digits.iter().fold(0, |units, digit| units * 10 + i128::from(*digit));
    let units = if units == 0 { 0 } else { units * 10_i128.pow(zeros as u32) };
    Ok((if layout.negative { -units } else { units }, scale as u32))
}
