//! Chocolate, cookies, cakes and sweets. Each is painted around (0, 0) and stands on the ground at about y = 230.

use tiny_skia::Color;

use super::brush::{Canvas, WHITE, darker, faint, hex, lighter, oval, path, slab};
use super::pack::{label, zigzag};
use super::picture::Look;

pub(super) fn bar(canvas: &mut Canvas, look: &mut Look) {
    let lean = if look.random.chance(50) { 14.0 } else { -14.0 };
    canvas.shadow(0.0, 216.0, 220.0, 34.0);
    canvas.at(0.0, -6.0, lean, 1.0, |c| {
        let chocolate = slab(-118.0, -228.0, 236.0, 250.0, 16.0);
        c.fill_down(&chocolate, lighter(look.food, 0.12), darker(look.food, 0.18));
        for row in 0..3_i8 {
            for column in 0..3_i8 {
                let (x, y) = (f32::from(column) * 76.0 - 110.0, f32::from(row) * 80.0 - 220.0);
                c.fill(&slab(x, y, 68.0, 72.0, 10.0), darker(look.food, 0.28));
                c.fill_down(&slab(x + 3.0, y + 2.0, 62.0, 62.0, 9.0), lighter(look.food, 0.22), look.food);
                c.stroke(
                    &path(&format!("M {} {1} L {2} {1}", x + 12.0, y + 10.0, x + 50.0)),
                    faint(hex(WHITE), 0.3),
                    5.0,
                );
            }
        }
        let foil = path(&format!("M -130 -4 {} L 130 50 L -130 50 Z", zigzag(-4.0, -130.0, 10, 26.0, 24.0)));
        c.fill_round(&foil, hex(0x00d9_dde3));
        let wrapper =
            path("M -134 20 Q -60 2 0 18 Q 70 32 134 12 L 134 216 Q 134 228 122 228 L -122 228 Q -134 228 -134 216 Z");
        c.fill_round(&wrapper, look.body);
        c.within(&wrapper, |c| {
            c.fill(&path("M -140 150 Q 0 96 140 150 L 140 240 L -140 240 Z"), faint(look.accent, 0.92));
            label(c, 52.0, 190.0, lighter(look.accent, 0.8));
            c.fill(&slab(-112.0, 20.0, 14.0, 200.0, 7.0), faint(hex(WHITE), 0.35));
        });
    });
}

/// A filled bar in a wrapper with crimped ends, and a bitten one in front of it.
pub(super) fn snack_bar(canvas: &mut Canvas, look: &mut Look) {
    canvas.shadow(0.0, 200.0, 250.0, 34.0);
    let lean = look.random.float(-22.0, -14.0);
    canvas.at(0.0, -70.0, lean, 1.0, |c| {
        let shape = path(
            "M -262 -84 L -250 -66 L -262 -48 L -250 -30 L -262 -12 L -250 6 L -262 24 L -250 42 L -262 60 L -250 78 L -262 92 \
             L -206 80 Q 0 104 206 80 L 262 92 L 250 78 L 262 60 L 250 42 L 262 24 L 250 6 L 262 -12 L 250 -30 L 262 -48 L 250 -66 \
             L 262 -84 L 206 -76 Q 0 -100 -206 -76 Z",
        );
        c.fill_down(&shape, lighter(look.body, 0.25), darker(look.body, 0.22));
        c.within(&shape, |c| {
            c.fill(&path("M -70 -110 L 70 -110 L 20 110 L -120 110 Z"), faint(look.accent, 0.9));
            c.fill(&path("M 110 -110 L 140 -110 L 90 110 L 60 110 Z"), faint(look.accent, 0.7));
            c.fill(&slab(-150.0, -28.0, 270.0, 38.0, 19.0), lighter(look.accent, 0.85));
            c.fill(&slab(-100.0, 26.0, 160.0, 16.0, 8.0), faint(lighter(look.accent, 0.85), 0.75));
            for x in [-216.0, 216.0] {
                c.stroke(&path(&format!("M {x} -90 L {x} 96")), faint(darker(look.body, 0.5), 0.35), 5.0);
            }
            c.stroke(&path("M -200 -66 Q 0 -90 200 -66"), faint(hex(WHITE), 0.4), 9.0);
        });
    });
    canvas.at(30.0, 132.0, lean * 0.4, 1.0, |c| {
        c.fill_down(&slab(-190.0, -52.0, 320.0, 112.0, 30.0), lighter(look.food, 0.2), darker(look.food, 0.3));
        for x in [-160.0, -100.0, -40.0, 20.0] {
            c.stroke(&path(&format!("M {x} -36 Q {} -22 {} -38", x + 22.0, x + 44.0)), faint(lighter(look.food, 0.5), 0.5), 8.0);
        }
        let bite = path("M 70 -52 C 96 -44 92 -22 112 -16 C 130 -10 116 14 130 24 C 140 40 120 56 96 60 L 150 60 L 190 40 L 190 -40 L 130 -52 Z");
        c.fill(&bite, darker(look.food, 0.25));
        c.within(&bite, |c| {
            c.fill(&slab(60.0, -36.0, 120.0, 34.0, 8.0), hex(0x00e0_9a45));
            c.fill(&slab(60.0, 0.0, 120.0, 44.0, 8.0), hex(0x00f2_e0bd));
            for (x, y) in [(118.0, -18.0), (150.0, -24.0), (166.0, -8.0), (136.0, -2.0)] {
                c.fill_ball(&oval(x, y, 14.0, 10.0), hex(0x00e8_c48a));
            }
        });
    });
}

/// One sandwich cookie from the side, around (0, 0).
fn side(canvas: &mut Canvas, look: &Look) {
    canvas.fill_down(&slab(-112.0, 8.0, 224.0, 34.0, 14.0), look.body, darker(look.body, 0.35));
    canvas.fill_down(&slab(-104.0, -14.0, 208.0, 30.0, 12.0), lighter(look.food, 0.4), darker(look.food, 0.08));
    canvas.fill_down(&slab(-112.0, -42.0, 224.0, 34.0, 14.0), lighter(look.body, 0.25), darker(look.body, 0.15));
    for step in 0..11_u8 {
        let x = f32::from(step) * 20.0 - 100.0;
        canvas.stroke(&path(&format!("M {x} -34 L {x} -18")), faint(darker(look.body, 0.5), 0.4), 4.0);
        canvas.stroke(&path(&format!("M {x} 18 L {x} 34")), faint(darker(look.body, 0.5), 0.4), 4.0);
    }
}

pub(super) fn sandwich(canvas: &mut Canvas, look: &Look) {
    canvas.shadow(0.0, 222.0, 250.0, 36.0);
    for (x, y, turn) in
        [(-66.0, 174.0, 0.0), (-58.0, 88.0, 2.0), (-72.0, 2.0, -2.0), (-60.0, -84.0, 3.0), (-64.0, -170.0, -4.0)]
    {
        canvas.at(x, y, turn, 1.0, |c| side(c, look));
    }
    canvas.at(112.0, 96.0, 12.0, 1.0, |c| {
        c.fill(&oval(12.0, 8.0, 122.0, 124.0), darker(look.body, 0.4));
        c.fill(&oval(7.0, 4.0, 118.0, 120.0), lighter(look.food, 0.3));
        c.fill_ball(&oval(0.0, 0.0, 120.0, 122.0), look.body);
        c.stroke(&oval(0.0, 0.0, 104.0, 106.0), faint(darker(look.body, 0.5), 0.55), 5.0);
        c.stroke(&oval(0.0, 0.0, 52.0, 53.0), faint(lighter(look.body, 0.5), 0.5), 5.0);
        for step in 0..12_u8 {
            c.at(0.0, 0.0, f32::from(step) * 30.0, 1.0, |c| {
                c.fill(&oval(0.0, -78.0, 9.0, 13.0), faint(lighter(look.body, 0.5), 0.55));
            });
        }
        c.fill(&path("M 0 -26 L 8 -8 L 26 0 L 8 8 L 0 26 L -8 8 L -26 0 L -8 -8 Z"), lighter(look.accent, 0.35));
    });
}

/// A cake of two layers with cream between them, under a coat; `cut` shows the inside.
fn coated(canvas: &mut Canvas, look: &Look, cut: bool) {
    let coat = path(
        "M -138 30 C -146 -34 -112 -74 0 -76 C 112 -74 146 -34 138 30 C 142 66 112 84 0 84 C -112 84 -142 66 -138 30 Z",
    );
    canvas.fill_ball(&coat, look.food);
    canvas.stroke(&path("M -104 -24 C -84 -52 -40 -60 4 -60"), faint(hex(WHITE), 0.45), 10.0);
    for x in [-70.0, -10.0, 50.0] {
        canvas.stroke(
            &path(&format!("M {x} -50 Q {} -38 {} -46 Q {} -54 {} -44", x + 14.0, x + 28.0, x + 40.0, x + 52.0)),
            faint(lighter(look.food, 0.4), 0.45),
            6.0,
        );
    }
    if cut {
        let face = path("M 0 -62 C 50 -62 122 -50 126 -4 L 128 30 C 128 62 60 72 0 72 Z");
        canvas.fill(&face, lighter(look.body, 0.35));
        canvas.within(&face, |c| {
            c.fill(&slab(-20.0, -62.0, 180.0, 50.0, 0.0), lighter(look.accent, 0.35));
            c.fill(&slab(-20.0, 22.0, 180.0, 60.0, 0.0), lighter(look.accent, 0.3));
            c.fill_down(&slab(-20.0, -18.0, 180.0, 40.0, 12.0), hex(WHITE), hex(0x00f3_e9dc));
            for (x, y) in [(24.0, -40.0), (60.0, -30.0), (92.0, -36.0), (30.0, 44.0), (70.0, 50.0), (100.0, 38.0)] {
                c.fill(&oval(x, y, 6.0, 4.0), faint(darker(look.accent, 0.4), 0.3));
            }
        });
        canvas.stroke(&face, darker(look.food, 0.2), 7.0);
    }
}

pub(super) fn cake(canvas: &mut Canvas, look: &Look) {
    canvas.shadow(0.0, 216.0, 260.0, 38.0);
    canvas.fill_round(&path("M -190 -70 L 190 -70 L 176 -212 L -176 -212 Z"), look.body);
    canvas.fill(&path("M -184 -120 Q 0 -84 184 -120 L 190 -70 L -190 -70 Z"), look.accent);
    label(canvas, -190.0, 220.0, lighter(look.accent, 0.8));
    canvas.at(-70.0, -24.0, 0.0, 1.0, |c| coated(c, look, false));
    canvas.at(92.0, 20.0, 0.0, 0.9, |c| coated(c, look, false));
    canvas.at(-4.0, 130.0, 0.0, 1.2, |c| coated(c, look, true));
}

pub(super) fn sticks(canvas: &mut Canvas, look: &mut Look) {
    canvas.shadow(0.0, 226.0, 200.0, 32.0);
    for step in 0..8_u8 {
        let (x, lift) = (f32::from(step) * 32.0 - 112.0, look.random.float(-26.0, 20.0));
        let turn = (f32::from(step) - 3.5) * 2.4;
        canvas.at(x, -110.0 + lift, turn, 1.0, |c| {
            c.fill_round(&slab(-11.0, -128.0, 22.0, 240.0, 11.0), look.food);
            c.stroke(&path("M -4 -112 L -4 40"), faint(hex(WHITE), 0.28), 4.0);
            for y in [-96.0, -62.0, -30.0] {
                c.fill(&oval(look.random.float(-4.0, 5.0), y, 4.0, 3.0), faint(lighter(look.accent, 0.6), 0.8));
            }
        });
    }
    let shape = path("M -150 -96 Q 0 -40 150 -96 L 144 214 Q 144 226 132 226 L -132 226 Q -144 226 -144 214 Z");
    canvas.fill_round(&shape, look.body);
    canvas.within(&shape, |c| {
        c.fill(&path("M -160 130 C -60 70 60 190 160 110 L 160 240 L -160 240 Z"), look.accent);
        label(c, -30.0, 200.0, lighter(look.accent, 0.8));
        for (x, turn) in [(-40.0, -28.0), (0.0, 0.0), (40.0, 28.0)] {
            c.at(x, 124.0, turn, 0.9, |c| {
                c.fill(&slab(-9.0, -66.0, 18.0, 130.0, 9.0), hex(0x00e8_b978));
                c.fill_round(&slab(-10.0, -68.0, 20.0, 96.0, 10.0), look.food);
            });
        }
        c.fill(&path("M -134 -90 L -108 -80 L -104 226 L -128 226 Z"), faint(hex(WHITE), 0.3));
    });
    canvas.stroke(&path("M -150 -96 Q 0 -40 150 -96"), faint(hex(WHITE), 0.6), 5.0);
}

/// A sweet in twisted paper, around (0, 0).
fn sweet(canvas: &mut Canvas, paper: Color, stripe: Color) {
    for turn in [0.0, 180.0] {
        canvas.at(0.0, 0.0, turn, 1.0, |c| {
            let end = path("M 70 -8 L 158 -58 L 146 -28 L 164 -14 L 148 2 L 164 18 L 146 32 L 158 60 L 70 10 Z");
            c.fill(&end, lighter(paper, 0.15));
            c.stroke(&path("M 80 -2 L 140 -30 M 82 2 L 146 4 M 80 6 L 140 38"), faint(darker(paper, 0.4), 0.4), 4.0);
        });
    }
    let body = slab(-84.0, -58.0, 168.0, 116.0, 52.0);
    canvas.fill_ball(&body, paper);
    canvas.within(&body, |c| {
        for x in [-56.0, 0.0, 56.0] {
            c.fill(
                &path(&format!("M {} -70 L {} -70 L {} 70 L {} 70 Z", x + 10.0, x + 32.0, x - 2.0, x - 24.0)),
                faint(stripe, 0.85),
            );
        }
        c.stroke(&path("M -58 -34 Q 0 -50 50 -36"), faint(hex(WHITE), 0.6), 10.0);
    });
}

pub(super) fn candy(canvas: &mut Canvas, look: &Look) {
    for (x, y, turn, scale, paper, stripe) in [
        (-84.0, -128.0, -20.0, 1.0, look.body, look.accent),
        (98.0, -30.0, 24.0, 1.05, look.food, lighter(look.body, 0.5)),
        (-62.0, 112.0, -8.0, 1.25, look.accent, lighter(look.body, 0.3)),
    ] {
        canvas.shadow(x, y + 84.0 * scale, 150.0 * scale, 26.0);
        canvas.at(x, y, turn, scale, |c| sweet(c, paper, stripe));
    }
}

pub(super) fn lollipop(canvas: &mut Canvas, look: &Look) {
    canvas.shadow(0.0, 226.0, 200.0, 28.0);
    for (x, y, turn, colour) in
        [(-96.0, -16.0, -20.0, look.food), (100.0, -10.0, 20.0, look.accent), (0.0, -70.0, 0.0, look.body)]
    {
        canvas.at(x, y, turn, 1.0, |c| {
            c.fill_round(&slab(-8.0, 40.0, 16.0, 240.0, 8.0), hex(0x00f5_f1ea));
            c.fill_ball(&oval(0.0, 0.0, 104.0, 104.0), colour);
            c.within(&oval(0.0, 0.0, 104.0, 104.0), |c| {
                c.stroke(&path("M -120 30 C -60 -50 40 60 120 -34"), faint(lighter(colour, 0.75), 0.85), 26.0);
                c.stroke(&path("M -110 86 C -50 10 50 110 120 30"), faint(lighter(colour, 0.75), 0.5), 12.0);
            });
            c.fill(&oval(-38.0, -48.0, 24.0, 15.0), faint(hex(WHITE), 0.55));
            c.fill(&path("M -30 98 L 30 98 L 20 124 L -20 124 Z"), lighter(colour, 0.5));
        });
    }
}
