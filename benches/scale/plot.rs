//! The table as a plot, both axes logarithmic: what does not grow is a level line.

use std::fmt::Write;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 50.0;

const COLOURS: &[&str] = &["#1b6ca8", "#d1495b", "#2e933c", "#7a5195", "#e08e1b", "#0f8b8d", "#4a4a4a"];

pub(crate) fn svg(columns: &[(&str, &str)], rows: &[(u64, Vec<f64>)]) -> String {
    let highest = rows.iter().flat_map(|(_, row)| row).copied().fold(10.0, f64::max).log10().ceil();
    let (first, last) = match rows {
        [(first, _), .., (last, _)] => ((*first as f64).log10(), (*last as f64).log10()),
        _ => return String::new(),
    };
    let x = |children: u64| LEFT + ((children as f64).log10() - first) / (last - first) * (WIDTH - LEFT - RIGHT);
    let y = |figure: f64| HEIGHT - BOTTOM - figure.max(1.0).log10() / highest * (HEIGHT - TOP - BOTTOM);

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for power in 0..=highest as i32 {
        let at = y(10_f64.powi(power));
        let _ = writeln!(svg, "<path d=\"M{LEFT} {at:.1}H{:.1}\" stroke=\"#ddd\"/>", WIDTH - RIGHT);
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", LEFT - 8.0, at + 4.0, {
            10_u64.pow(power.unsigned_abs())
        });
    }
    for (children, _) in rows {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{children}</text>",
            x(*children),
            HEIGHT - BOTTOM + 20.0
        );
    }
    let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"{:.1}\">children</text>", HEIGHT - 10.0);
    for (column, ((head, _), colour)) in columns.iter().zip(COLOURS).enumerate() {
        let points: Vec<_> =
            rows.iter().map(|(children, row)| format!("{:.1},{:.1}", x(*children), y(row[column]))).collect();
        let points = points.join(" ");
        let _ = writeln!(svg, "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>");
        let key = TOP + 20.0 + 22.0 * column as f64;
        let (from, to) = (WIDTH - RIGHT + 15.0, WIDTH - RIGHT + 40.0);
        let _ = writeln!(svg, "<path d=\"M{from} {key}H{to}\" stroke=\"{colour}\" stroke-width=\"2\"/>");
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{}\">{head}</text>", to + 8.0, key + 4.0);
    }
    svg.push_str("</svg>\n");
    svg
}
