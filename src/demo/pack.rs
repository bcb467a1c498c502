//! Bags, boxes, tubes and bowls. Each is painted around (0, 0) and stands on the ground at about y = 230.

use tiny_skia::Color;

use super::brush::{Canvas, WHITE, darker, faint, hex, lighter, oval, path, slab};
use super::food::Food;
use super::picture::Look;

/// Some pieces lie on the ground in front of the pack.
fn pieces(canvas: &mut Canvas, look: &mut Look, food: Food, places: &[(f32, f32, f32)]) {
    for &(x, y, scale) in places {
        let turn = look.random.float(-40.0, 40.0);
        let tone = piece_colour(look, food);
        canvas.shadow(x, y + 62.0 * scale, 105.0 * scale, 26.0 * scale);
        canvas.at(x, y, turn, scale, |c| food.paint(c, tone, &mut look.random));
    }
}

/// Sweets come in many colours, everything else in one with shades.
fn piece_colour(look: &mut Look, food: Food) -> Color {
    const SWEETS: [u32; 6] = [0x00e5_3935, 0x00fb_8c00, 0x00fd_d835, 0x0043_a047, 0x008e_44ad, 0x00f4_8fb1];
    if matches!(food, Food::Bear | Food::Drop) && look.random.chance(70) {
        return hex(SWEETS[look.random.below(6) as usize]);
    }
    darker(look.food, look.random.float(0.0, 0.1))
}

/// A zigzag from one x to another, as it is cut into foil.
pub(super) fn zigzag(y: f32, from: f32, teeth: u8, width: f32, depth: f32) -> String {
    (0..teeth).fold(String::new(), |line, tooth| {
        let x = from + f32::from(tooth) * width;
        format!("{line} L {} {} L {} {y}", x + width / 2.0, y - depth, x + width)
    })
}

/// The round shield with food on it that most packs carry.
fn shield(canvas: &mut Canvas, look: &mut Look, food: Food, x: f32, y: f32, scale: f32) {
    let tone = look.food;
    canvas.at(x, y, 0.0, scale, |c| {
        c.fill(&oval(0.0, 0.0, 118.0, 104.0), faint(lighter(look.accent, 0.1), 0.95));
        c.fill(&oval(0.0, 0.0, 106.0, 92.0), lighter(look.accent, 0.82));
        for (x, y, turn, scale) in [(-36.0, -26.0, -24.0, 0.56), (38.0, -10.0, 30.0, 0.56), (-6.0, 34.0, 4.0, 0.6)] {
            c.at(x, y, turn, scale, |c| food.paint(c, tone, &mut look.random));
        }
    });
}

/// Where a name would stand: two bars.
pub(super) fn label(canvas: &mut Canvas, y: f32, width: f32, colour: Color) {
    canvas.fill(&slab(-width / 2.0, y, width, 30.0, 15.0), colour);
    canvas.fill(&slab(-width * 0.32, y + 42.0, width * 0.64, 14.0, 7.0), faint(colour, 0.7));
}

pub(super) fn bag(canvas: &mut Canvas, look: &mut Look, food: Food) {
    canvas.shadow(0.0, 226.0, 220.0, 34.0);
    let teeth = zigzag(-236.0, -160.0, 16, 20.0, 9.0);
    let shape = path(&format!(
        "M -160 -236 {teeth} C 150 -190 146 -150 156 -80 C 168 0 166 100 152 160 C 148 190 154 210 162 226 \
         L -162 226 C -154 210 -148 190 -152 160 C -166 100 -168 0 -156 -80 C -146 -150 -150 -190 -160 -236 Z"
    ));
    canvas.fill_round(&shape, look.body);
    let dip = look.random.float(-40.0, 40.0);
    canvas.within(&shape, |c| {
        let wave = path(&format!(
            "M -180 {0} C -80 {1} 60 {2} 180 {0} L 180 240 L -180 240 Z",
            40.0 + dip * 0.4,
            -30.0 + dip,
            110.0 - dip
        ));
        c.fill(&wave, faint(look.accent, 0.85));
        c.fill(&slab(-170.0, -246.0, 340.0, 34.0, 0.0), faint(darker(look.body, 0.3), 0.35));
        c.fill(&slab(-170.0, 200.0, 340.0, 34.0, 0.0), faint(darker(look.body, 0.3), 0.3));
        for step in 0..4_u8 {
            let y = -238.0 + f32::from(step) * 7.0;
            c.stroke(&path(&format!("M -170 {y} L 170 {y}")), faint(hex(WHITE), 0.22), 2.0);
        }
        label(c, -176.0, 200.0, lighter(look.accent, 0.75));
        shield(c, look, food, 0.0, 38.0, 1.12);
        c.fill(
            &path("M -128 -206 C -140 -100 -146 60 -126 196 C -116 100 -122 -80 -106 -206 Z"),
            faint(hex(WHITE), 0.3),
        );
        c.fill(
            &path("M 140 -200 C 126 -120 138 40 130 200 L 170 200 L 170 -200 Z"),
            faint(darker(look.body, 0.5), 0.14),
        );
        for (x, y) in [(-150.0, -205.0), (140.0, -205.0), (-146.0, 196.0), (140.0, 196.0)] {
            c.stroke(
                &path(&format!("M {x} {y} Q {} {} {} {}", x * 0.85, y * 0.92, x * 0.62, y * 0.86)),
                faint(hex(WHITE), 0.25),
                4.0,
            );
        }
    });
    pieces(canvas, look, food, &[(-178.0, 196.0, 0.52), (172.0, 204.0, 0.56), (104.0, 226.0, 0.48)]);
}

pub(super) fn pouch(canvas: &mut Canvas, look: &mut Look, food: Food) {
    canvas.shadow(0.0, 228.0, 210.0, 32.0);
    let shape = slab(-158.0, -236.0, 316.0, 464.0, 26.0);
    canvas.fill_round(&shape, look.body);
    canvas.within(&shape, |c| {
        c.fill(&slab(-170.0, -240.0, 340.0, 62.0, 0.0), look.accent);
        c.fill(&oval(0.0, -210.0, 26.0, 10.0), lighter(look.body, 0.7));
        label(c, -152.0, 210.0, lighter(look.accent, 0.8));
        let window = slab(-122.0, -64.0, 244.0, 232.0, 70.0);
        c.fill_down(&window, lighter(look.food, 0.75), lighter(look.food, 0.5));
        c.within(&window, |c| {
            for row in 0..4_u8 {
                for column in 0..4_u8 {
                    let (x, y) = (f32::from(column) * 70.0 - 108.0, f32::from(row) * 62.0 - 30.0);
                    let (x, y) = (x + look.random.float(-14.0, 14.0), y + look.random.float(-10.0, 10.0));
                    let (turn, tone) = (look.random.float(-70.0, 70.0), piece_colour(look, food));
                    c.at(x, y, turn, 0.44, |c| food.paint(c, tone, &mut look.random));
                }
            }
            c.fill(&path("M -122 -64 L -40 -64 L -122 120 Z"), faint(hex(WHITE), 0.28));
        });
        c.stroke(&window, lighter(look.accent, 0.25), 9.0);
        c.fill(&slab(-146.0, -170.0, 16.0, 380.0, 8.0), faint(hex(WHITE), 0.3));
    });
    pieces(canvas, look, food, &[(-176.0, 190.0, 0.5), (168.0, 188.0, 0.56), (96.0, 222.0, 0.46)]);
}

pub(super) fn carton(canvas: &mut Canvas, look: &mut Look, food: Food) {
    canvas.shadow(10.0, 214.0, 250.0, 36.0);
    canvas.fill(&path("M -178 -150 L -120 -206 L 214 -206 L 164 -150 Z"), lighter(look.body, 0.35));
    canvas.fill_down(
        &path("M 164 -150 L 214 -206 L 214 150 L 164 212 Z"),
        darker(look.body, 0.22),
        darker(look.body, 0.4),
    );
    let front = slab(-178.0, -150.0, 342.0, 362.0, 6.0);
    canvas.fill_down(&front, lighter(look.body, 0.1), darker(look.body, 0.06));
    let bend = look.random.float(-30.0, 30.0);
    canvas.within(&front, |c| {
        let wave = path(&format!(
            "M -190 {0} C -90 {1} 40 {2} 180 {0} L 180 230 L -190 230 Z",
            60.0 + bend,
            0.0 - bend,
            130.0 + bend
        ));
        c.fill(&wave, look.accent);
        c.at(-8.0, 0.0, 0.0, 1.0, |c| {
            label(c, -122.0, 230.0, lighter(look.accent, 0.8));
        });
        shield(c, look, food, -6.0, 68.0, 1.12);
        c.fill(&path("M -178 -150 L -70 -150 L -178 60 Z"), faint(hex(WHITE), 0.13));
    });
    canvas.stroke(&path("M -174 -150 L 164 -150 L 164 208"), faint(hex(WHITE), 0.4), 3.0);
    pieces(canvas, look, food, &[(-190.0, 176.0, 0.56), (178.0, 196.0, 0.58), (92.0, 224.0, 0.5)]);
}

pub(super) fn tube(canvas: &mut Canvas, look: &mut Look, food: Food) {
    canvas.shadow(-24.0, 226.0, 170.0, 30.0);
    let shape = path("M -134 -190 L 86 -190 L 86 206 Q -24 250 -134 206 Z");
    canvas.fill_round(&shape, look.body);
    canvas.within(&shape, |c| {
        c.fill(&path("M -140 120 Q -24 166 90 120 L 90 250 L -140 250 Z"), faint(look.accent, 0.85));
        c.at(-24.0, 0.0, 0.0, 1.0, |c| {
            label(c, -134.0, 160.0, lighter(look.accent, 0.8));
        });
        shield(c, look, food, -24.0, 34.0, 0.88);
        c.fill(&slab(-112.0, -190.0, 20.0, 420.0, 0.0), faint(hex(WHITE), 0.28));
        c.fill(&path("M -134 188 Q -24 232 86 188 L 86 260 L -134 260 Z"), hex(0x00c9_cdd2));
    });
    canvas.fill_round(&path("M -142 -226 L 94 -226 L 94 -190 Q -24 -156 -142 -190 Z"), lighter(look.accent, 0.2));
    canvas.fill_down(&oval(-24.0, -226.0, 118.0, 26.0), lighter(look.accent, 0.75), lighter(look.accent, 0.4));
    pieces(
        canvas,
        look,
        food,
        &[(150.0, 120.0, 0.66), (196.0, 190.0, 0.6), (112.0, 214.0, 0.6), (-176.0, 206.0, 0.46)],
    );
}

pub(super) fn bowl(canvas: &mut Canvas, look: &mut Look, food: Food) {
    canvas.shadow(0.0, 206.0, 230.0, 36.0);
    canvas.fill(&oval(0.0, -6.0, 222.0, 64.0), darker(look.body, 0.35));
    for (row, count) in [5_u8, 4, 3, 2].into_iter().enumerate() {
        for step in 0..count {
            let x = (f32::from(step) - f32::from(count - 1) / 2.0) * 86.0 + look.random.float(-12.0, 12.0);
            let y = [10.0, -42.0, -94.0, -138.0][row];
            let (turn, tone) = (look.random.float(-70.0, 70.0), piece_colour(look, food));
            canvas.at(x, y, turn, 0.62, |c| food.paint(c, tone, &mut look.random));
        }
    }
    let shape = path("M -224 0 Q 0 96 224 0 C 216 130 130 206 60 210 L -60 210 C -130 206 -216 130 -224 0 Z");
    canvas.fill_round(&shape, look.body);
    canvas.within(&shape, |c| {
        c.stroke(&path("M -230 50 Q 0 146 230 50"), look.accent, 18.0);
        c.stroke(&path("M -224 84 Q 0 180 224 84"), faint(look.accent, 0.6), 7.0);
    });
    canvas.stroke(&path("M -222 2 Q 0 98 222 2"), lighter(look.body, 0.5), 8.0);
    pieces(canvas, look, food, &[(-214.0, 192.0, 0.46), (206.0, 198.0, 0.5)]);
}
