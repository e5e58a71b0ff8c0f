//! A table of text, as columns for a terminal or as Markdown. It owns widths and alignment: the first
//! column to the left, all others to the right; it refuses to format figures.

/// Rows under a head.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    pub(crate) fn new(head: &[&'static str]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// In columns, two blanks apart.
    pub(crate) fn columns(&self) -> String {
        let head: Vec<String> = self.head.iter().map(|name| (*name).to_owned()).collect();
        let all = || std::iter::once(&head).chain(&self.rows);
        let cell = |row: &[String], column: usize| row.get(column).map_or(0, |text| text.chars().count());
        let widths: Vec<usize> =
            (0..head.len()).map(|column| all().map(|row| cell(row, column)).max().unwrap_or(0)).collect();
        let mut text = String::new();
        for row in all() {
            let cells = row.iter().zip(&widths).enumerate();
            let line: String = cells.map(|(column, (cell, width))| pad(cell, *width, column == 0)).collect();
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// As Markdown.
    pub(crate) fn markdown(&self) -> String {
        let line = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
        let rule = (0..self.head.len()).map(|column| if column == 0 { "---" } else { "---:" }).collect();
        let rows: String =
            self.rows.iter().map(|row| line(row.iter().map(String::as_str).collect())).collect();
        line(self.head.clone()) + &line(rule) + &rows
    }
}

fn pad(cell: &str, width: usize, left: bool) -> String {
    if left { format!("  {cell:<width$}") } else { format!("  {cell:>width$}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_line_up_on_the_right() {
        let mut table = Table::new(&["what", "µs"]);
        table.push(vec!["a".to_owned(), "7.0".to_owned()]);
        table.push(vec!["longer".to_owned(), "12.5".to_owned()]);
        assert_eq!(table.columns(), "  what      µs\n  a        7.0\n  longer  12.5\n");
        assert_eq!(table.markdown(), "| what | µs |\n| --- | ---: |\n| a | 7.0 |\n| longer | 12.5 |\n");
    }
}
