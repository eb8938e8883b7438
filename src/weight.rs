//! How strongly a client prefers something that it lists in `Accept` or `Accept-Encoding`.

/// A weight in thousandths, from 0 (not acceptable) to [`MAX`].
pub(crate) type Weight = u16;

/// The weight of an element that does not give one.
pub(crate) const MAX: Weight = 1000;

/// Reads a weight from 0 to 1 with at most three decimals
/// ([RFC 9110, section 12.4.2](https://www.rfc-editor.org/rfc/rfc9110#section-12.4.2)).
pub(crate) fn parse(text: &str) -> Option<Weight> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let is_decimal = decimals.len() <= 3 && decimals.bytes().all(|byte| byte.is_ascii_digit());
    if !is_decimal || !matches!(whole, "0" | "1") {
        return None;
    }
    let weight = format!("{whole}{decimals:0<3}").parse().ok()?;
    (weight <= MAX).then_some(weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_0_to_1_in_thousandths_and_nothing_else() {
        for (text, weight) in [
            ("0", 0),
            ("0.", 0),
            ("0.001", 1),
            ("0.5", 500),
            ("0.25", 250),
            ("1", 1000),
            ("1.000", 1000),
        ] {
            assert_eq!(parse(text), Some(weight), "{text:?}");
        }
        for text in [
            "", ".5", "00", "01", "1.001", "1.1", "2", "0.0001", "1.0000", "-1", "+1", "1e-1",
            "NaN", "0.5;q=1", "\"1\"", " 1", "0.+1", "٣",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
