//! Ice creams. Each is painted around (0, 0); the tub stands on the ground at about y = 230.

use super::brush::{Canvas, WHITE, darker, faint, hex, lighter, oval, path, slab};
use super::picture::Look;

pub(super) fn popsicle(canvas: &mut Canvas, look: &Look) {
    canvas.shadow(0.0, 234.0, 170.0, 26.0);
    for (x, turn, front) in [(-70.0, -13.0, false), (48.0, 9.0, true)] {
        canvas.at(x, -20.0, turn, 1.0, |c| {
            c.fill_round(&slab(-20.0, 110.0, 40.0, 146.0, 20.0), hex(0x00e3_bd8a));
            let ice = slab(-92.0, -226.0, 184.0, 358.0, 62.0);
            c.fill_round(&ice, if front { look.body } else { look.accent });
            c.within(&ice, |c| {
                let tone = if front { look.accent } else { look.body };
                c.fill(
                    &path("M -100 30 C -60 4 -40 66 0 44 C 40 20 60 76 100 40 L 100 140 L -100 140 Z"),
                    faint(lighter(tone, 0.2), 0.75),
                );
                for x in [-44.0, 28.0] {
                    c.fill(&slab(x - 13.0, -196.0, 28.0, 300.0, 14.0), faint(darker(look.body, 0.3), 0.16));
                }
                for (x, y) in
                    [(-56.0, -140.0), (52.0, -90.0), (-10.0, -30.0), (60.0, 10.0), (-62.0, -40.0), (8.0, -170.0)]
                {
                    c.fill(&oval(x, y, 8.0, 6.0), faint(look.food, 0.75));
                }
                c.fill(&slab(-76.0, -190.0, 16.0, 250.0, 8.0), faint(hex(WHITE), 0.5));
            });
        });
    }
    canvas.at(96.0, -232.0, 9.0, 1.0, |c| {
        c.fill(&oval(34.0, 8.0, 44.0, 40.0), lighter(look.body, 0.86));
        c.fill(&oval(12.0, -14.0, 30.0, 26.0), lighter(look.accent, 0.86));
    });
}

/// A waffle's grid over whatever is the current outline.
fn grid(canvas: &mut Canvas, dark: f32) {
    for step in -8..=8_i8 {
        let x = f32::from(step) * 40.0;
        for slant in [-130.0, 130.0] {
            canvas.stroke(
                &path(&format!("M {} -260 L {} 260", x - slant, x + slant)),
                faint(darker(hex(0x00d9_9a4e), 0.45), dark),
                6.0,
            );
        }
    }
}

pub(super) fn cone(canvas: &mut Canvas, look: &mut Look) {
    canvas.shadow(0.0, 240.0, 90.0, 20.0);
    let waffle = path("M -120 -20 L 120 -20 L 18 236 Q 0 258 -18 236 Z");
    canvas.fill_round(&waffle, hex(0x00e2_a75c));
    canvas.within(&waffle, |c| grid(c, 0.45));
    let sleeve = path("M -104 30 Q 0 66 104 30 L 18 236 Q 0 258 -18 236 Z");
    canvas.fill_round(&sleeve, look.body);
    canvas.within(&sleeve, |c| {
        for y in [60.0, 120.0, 180.0] {
            c.stroke(&path(&format!("M -120 {y} Q 0 {} 120 {y}", y + 36.0)), faint(look.accent, 0.9), 18.0);
        }
        c.fill(&path("M -74 50 L -54 56 L 0 240 L -10 240 Z"), faint(hex(WHITE), 0.3));
    });
    let cream = lighter(look.food, 0.55);
    for (x, y, rx, ry) in [(0.0, -40.0, 140.0, 62.0), (4.0, -104.0, 112.0, 56.0), (-4.0, -162.0, 80.0, 46.0)] {
        canvas.fill_ball(&oval(x, y, rx, ry), cream);
        canvas.stroke(
            &path(&format!(
                "M {} {} Q {x} {} {} {}",
                x - rx * 0.8,
                y + ry * 0.4,
                y + ry * 1.2,
                x + rx * 0.8,
                y + ry * 0.3
            )),
            faint(darker(look.food, 0.2), 0.3),
            7.0,
        );
    }
    canvas.fill_ball(
        &path("M -52 -180 C -40 -230 -10 -236 12 -262 C 24 -236 56 -220 50 -180 C 30 -160 -30 -160 -52 -180 Z"),
        cream,
    );
    canvas.fill_ball(&path("M -86 -160 C -80 -214 60 -240 84 -166 C 92 -120 66 -116 58 -140 C 50 -160 34 -150 30 -120 C 26 -96 2 -98 -2 -124 C -8 -150 -30 -150 -36 -128 C -44 -108 -92 -110 -86 -160 Z"), look.accent);
    for _ in 0..26 {
        let (x, y, turn) =
            (look.random.float(-90.0, 90.0), look.random.float(-200.0, -30.0), look.random.float(0.0, 180.0));
        let tone = if look.random.chance(50) { darker(look.food, 0.35) } else { look.body };
        canvas.at(x, y, turn, 1.0, |c| c.fill(&slab(-10.0, -4.0, 20.0, 8.0, 4.0), tone));
    }
    canvas.fill_ball(&oval(6.0, -250.0, 27.0, 27.0), hex(0x00d3_2f2f));
    canvas.stroke(&path("M 10 -272 Q 22 -300 50 -304"), hex(0x005d_7a2a), 6.0);
    canvas.fill(&oval(-2.0, -260.0, 7.0, 5.0), faint(hex(WHITE), 0.8));
}

pub(super) fn tub(canvas: &mut Canvas, look: &mut Look) {
    canvas.shadow(0.0, 222.0, 220.0, 34.0);
    canvas.fill(&oval(0.0, -64.0, 186.0, 50.0), darker(look.body, 0.2));
    for (x, y, size, tone) in [
        (-82.0, -112.0, 98.0, look.food),
        (84.0, -108.0, 98.0, look.accent),
        (0.0, -152.0, 104.0, lighter(look.food, 0.4)),
    ] {
        canvas.fill_ball(&oval(x, y, size, size * 0.94), tone);
        for _ in 0..10 {
            let (dx, dy) = (look.random.float(-0.6, 0.6) * size, look.random.float(-0.6, 0.6) * size);
            canvas.fill(&oval(x + dx, y + dy, 8.0, 5.0), faint(darker(tone, 0.4), 0.5));
        }
    }
    canvas.at(120.0, -190.0, 28.0, 1.0, |c| {
        c.fill_round(&slab(-13.0, -100.0, 26.0, 160.0, 13.0), hex(0x00e3_bd8a));
    });
    let shape = path("M -196 -64 Q 0 6 196 -64 L 158 206 Q 0 242 -158 206 Z");
    canvas.fill_round(&shape, look.body);
    canvas.within(&shape, |c| {
        c.fill(&path("M -200 116 C -80 60 60 180 200 100 L 200 250 L -200 250 Z"), faint(look.accent, 0.9));
        c.fill(&slab(-104.0, 12.0, 208.0, 34.0, 17.0), lighter(look.accent, 0.8));
        c.fill(&slab(-66.0, 58.0, 132.0, 16.0, 8.0), faint(lighter(look.accent, 0.8), 0.75));
        for (x, size) in [(-78.0, 30.0), (0.0, 40.0), (80.0, 30.0)] {
            c.fill_ball(&oval(x, 150.0, size, size), look.food);
        }
        c.fill(&path("M -170 -40 L -146 -30 L -118 216 L -138 212 Z"), faint(hex(WHITE), 0.3));
    });
    canvas.stroke(&path("M -196 -64 Q 0 6 196 -64"), lighter(look.body, 0.7), 12.0);
}

pub(super) fn fish_waffle(canvas: &mut Canvas, look: &mut Look) {
    canvas.shadow(0.0, 190.0, 250.0, 34.0);
    canvas.at(0.0, -4.0, -6.0, 1.0, |c| {
        let shape = path(
            "M -244 20 C -220 -90 -110 -150 0 -140 C 70 -134 110 -96 140 -60 L 216 -128 Q 246 -132 240 -100 Q 214 -10 244 84 \
             Q 248 116 216 112 L 140 52 C 100 110 40 150 -50 148 C -150 146 -220 100 -244 20 Z",
        );
        c.at(8.0, 18.0, 0.0, 1.0, |c| c.fill(&shape, hex(0x00a8_6a2c)));
        c.fill_ball(&shape, hex(0x00e6_ad62));
        c.within(&shape, |c| {
            for column in 0..6_i8 {
                for row in -3..=3_i8 {
                    let x = f32::from(column) * 46.0 - 90.0 + if row % 2 == 0 { 0.0 } else { 23.0 };
                    let y = f32::from(row) * 38.0;
                    c.stroke(&path(&format!("M {x} {} Q {} {y} {x} {}", y - 24.0, x + 40.0, y + 24.0)), faint(hex(0x0094_5a22), 0.55), 7.0);
                }
            }
            c.stroke(&path("M -108 -150 Q -60 0 -112 150"), faint(hex(0x0094_5a22), 0.75), 10.0);
            for y in [-70.0, -10.0, 50.0] {
                c.stroke(&path(&format!("M 170 {} L 236 {}", y * 0.5, y + look.random.float(-6.0, 6.0))), faint(hex(0x0094_5a22), 0.6), 7.0);
            }
        });
        c.fill(&oval(-166.0, -26.0, 22.0, 22.0), lighter(hex(0x00e6_ad62), 0.6));
        c.fill(&oval(-166.0, -26.0, 12.0, 12.0), hex(0x0042_2a12));
        c.stroke(&path("M -238 42 Q -210 56 -190 40"), hex(0x007c_4a1c), 9.0);
        let bite = path("M -60 156 C -50 110 -10 118 -4 84 C 20 104 50 84 66 100 C 92 92 100 120 120 160 Z");
        c.fill(&bite, lighter(look.food, 0.6));
        c.within(&bite, |c| {
            c.fill(&path("M -60 150 C -20 116 60 112 120 150 L 120 170 L -60 170 Z"), look.accent);
        });
        c.stroke(&path("M -60 156 C -50 110 -10 118 -4 84 C 20 104 50 84 66 100 C 92 92 100 120 120 160"), hex(0x00c1_843c), 8.0);
    });
    canvas.at(150.0, 176.0, 0.0, 1.0, |c| {
        c.fill(&slab(-84.0, -40.0, 168.0, 80.0, 14.0), look.body);
        c.fill(&slab(-56.0, -18.0, 112.0, 20.0, 10.0), lighter(look.body, 0.75));
        c.fill(&slab(-36.0, 12.0, 72.0, 10.0, 5.0), lighter(look.body, 0.6));
    });
}
