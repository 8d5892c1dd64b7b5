use super::Markup;

/// Counts what the beginning of a line says, `line` being the rest of the text from there; whether
/// the line lies in a fenced block is kept in `in_code`.
pub(super) fn count_line(line: &str, markup: &mut Markup, in_code: &mut bool) {
    let line = line.trim_start_matches([' ', '\t']);
    let bytes = line.as_bytes();
    if line.starts_with("```") || line.starts_with("~~~") {
        markup.fences += 1;
        *in_code = !*in_code;
        return;
    }
    if *in_code {
        markup.code_lines += u32::from(!line.starts_with('\n'));
        return;
    }
    let blank_at = |place: usize| bytes.get(place).is_some_and(|byte| *byte == b' ');
    match bytes.first() {
        Some(b'-' | b'*' | b'+') if blank_at(1) => markup.bullets += 1,
        Some(0xE2) if line.starts_with('•') || line.starts_with('–') => markup.bullets += 1,
        Some(b'#') => {
            let level = bytes.iter().take_while(|byte| **byte == b'#').count();
            markup.headings += u32::from(level <= 6 && blank_at(level));
        }
        Some(b'|') => markup.table_rows += 1,
        Some(b'>') if blank_at(1) => markup.quoted_lines += 1,
        Some(b'0'..=b'9') => {
            let digits = bytes.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
            let mark = bytes.get(digits).is_some_and(|byte| matches!(byte, b'.' | b')' | b':'));
            markup.numbered += u32::from(mark && !bytes.get(digits + 1).is_some_and(u8::is_ascii_digit));
        }
        Some(b'$' | b'\\') if line.starts_with("$$") || line.starts_with("\\[") => markup.formulas += 1,
        Some(b'U' | b'A' | b'H' | b'Q' | b'B') => {
            let spoken = ["User:", "USER:", "Assistant:", "ASSISTANT:", "Human:", "AI:", "Bot:"];
            markup.leaked += u32::from(spoken.iter().any(|name| line.starts_with(name)));
        }
        _ => {}
    }
}

/// Counts what a mark inside a line opens, `rest` being the text from the mark on.
pub(super) fn count_inline(rest: &str, markup: &mut Markup) {
    let starts = |prefix: &str| rest.as_bytes().starts_with(prefix.as_bytes());
    match rest.as_bytes().first() {
        Some(b'*') => markup.bold += u32::from(starts("**")),
        Some(b'`') => markup.backticks += 1,
        Some(b']') => markup.links += u32::from(starts("](")),
        Some(b'h') => markup.links += u32::from(starts("http://") || starts("https://")),
        Some(b'<') => {
            let tags =
                ["<|", "</s>", "<s>", "<bot>", "<human>", "<unk>", "<pad>", "<end", "<nooutput>", "<br"];
            markup.leaked += u32::from(tags.iter().any(|tag| starts(tag)));
        }
        Some(b'[') => markup.leaked += u32::from(starts("[INST]") || starts("[/INST]") || starts("[/")),
        Some(b'\\') => {
            let formulas = ["\\frac", "\\(", "\\begin{", "\\sum", "\\sqrt", "\\times", "\\text{"];
            markup.formulas += u32::from(formulas.iter().any(|formula| starts(formula)));
        }
        _ => {}
    }
}
