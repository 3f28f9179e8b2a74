//! Numbers in a few characters.

/// A number of at most five characters: `1000`, `12.3k`, `1.23M`.
pub(super) fn short(number: f64) -> String {
    if !number.is_finite() || number < 0.0 {
        return "?".to_owned();
    }
    if number < 9999.5 {
        let whole = number.fract() == 0.0 || number >= 99.5;
        return if whole { format!("{number:.0}") } else { format!("{number:.1}") };
    }
    let mut number = number;
    for unit in ["k", "M", "G", "T", "P", "E"] {
        number /= 1000.0;
        if number < 999.5 {
            let digits = if number < 9.995 { 2 } else { usize::from(number < 99.95) };
            return format!("{number:.digits$}{unit}");
        }
    }
    "many".to_owned()
}

/// Nothing for nothing: what is there stands out.
pub(super) fn unless_zero(number: f64) -> String {
    if number == 0.0 { "-".to_owned() } else { short(number) }
}

/// A duration of at most five characters: `0.3s`, `42s`, `5m`, `3h`, `12d`.
pub(super) fn duration(seconds: f64) -> String {
    match seconds {
        s if !s.is_finite() || s < 0.0 => "?".to_owned(),
        s if s < 9.95 => format!("{s:.1}s"),
        s if s < 99.5 => format!("{s:.0}s"),
        s if s < 99.5 * 60.0 => format!("{:.0}m", s / 60.0),
        s if s < 99.5 * 3600.0 => format!("{:.0}h", s / 3600.0),
        s if s < 9999.5 * 86400.0 => format!("{:.0}d", s / 86400.0),
        _ => "long".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (number, text) in [
            (0.0, "0"),
            (0.25, "0.2"),
            (99.6, "100"),
            (1000.0, "1000"),
            (1234.6, "1235"),
            (9999.6, "10.0k"),
            (12_340.0, "12.3k"),
            (123_400.0, "123k"),
            (999_999.0, "1.00M"),
            (u64::MAX as f64, "18.4E"),
            (f64::NAN, "?"),
            (-1.0, "?"),
            (1e30, "many"),
        ] {
            assert_eq!(short(number), text);
            assert!(text.len() <= 5);
        }
    }

    #[test]
    fn durations_are_short() {
        for (seconds, text) in [
            (0.0, "0.0s"),
            (9.97, "10s"),
            (99.6, "2m"),
            (3600.0, "60m"),
            (1e6, "12d"),
            (1e30, "long"),
            (f64::NAN, "?"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }
}
