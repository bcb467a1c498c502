//! What is inside the packs: chips, rings, nuts, bears. Each is painted around (0, 0), about 200 wide.

use tiny_skia::Color;

use super::brush::{Canvas, WHITE, darker, faint, hex, lighter, mix, oval, path, slab};
use super::random::Random;

/// The shapes that snacks come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Food {
    /// A potato chip, bent by the frying.
    Chip,
    /// A chip with ridges.
    Ridged,
    /// A ridged stick, such as a shrimp cracker.
    Stick,
    /// A ring.
    Ring,
    /// A pointed cone.
    Cone,
    /// A puffed ball.
    Ball,
    /// A ball with specks, such as a coated peanut.
    Peanut,
    /// A crescent.
    Crescent,
    /// A twisted bar.
    Twist,
    /// Three layers, such as a turtle's shell.
    Shell,
    /// A small fish.
    Fish,
    /// A round biscuit with holes.
    Biscuit,
    /// A square cracker with holes.
    Cracker,
    /// A wafer with a grid.
    Wafer,
    /// A cookie with drops of chocolate.
    ChipCookie,
    /// An almond.
    Almond,
    /// A gummy bear.
    Bear,
    /// A drop of jelly.
    Drop,
}

impl Food {
    /// Paints one piece around (0, 0), in the given colour.
    pub(super) fn paint(self, canvas: &mut Canvas, colour: Color, random: &mut Random) {
        match self {
            Self::Chip => chip(canvas, colour, random),
            Self::Ridged => ridged(canvas, colour),
            Self::Stick => stick(canvas, colour),
            Self::Ring => ring(canvas, colour),
            Self::Cone => cone(canvas, colour),
            Self::Ball => ball(canvas, colour, 0, random),
            Self::Peanut => ball(canvas, colour, 16, random),
            Self::Crescent => crescent(canvas, colour),
            Self::Twist => twist(canvas, colour),
            Self::Shell => shell(canvas, colour),
            Self::Fish => fish(canvas, colour),
            Self::Biscuit => biscuit(canvas, colour),
            Self::Cracker => cracker(canvas, colour),
            Self::Wafer => wafer(canvas, colour),
            Self::ChipCookie => chip_cookie(canvas, colour, random),
            Self::Almond => almond(canvas, colour),
            Self::Bear => bear(canvas, colour),
            Self::Drop => drop(canvas, colour),
        }
    }
}

fn chip(canvas: &mut Canvas, colour: Color, random: &mut Random) {
    let shape = path(
        "M -104 -22 C -84 -58 -30 -40 8 -46 C 50 -54 92 -66 106 -34 C 116 0 80 44 34 54 C -16 66 -66 58 -88 34 C -104 16 -112 -4 -104 -22 Z",
    );
    canvas.fill_down(&shape, lighter(colour, 0.3), darker(colour, 0.12));
    canvas.within(&shape, |c| {
        let fold = path("M -100 -14 C -50 30 50 24 110 -40 L 120 60 L -100 70 Z");
        c.fill(&fold, faint(lighter(colour, 0.45), 0.5));
        c.stroke(&path("M -100 -14 C -50 30 50 24 110 -40"), faint(darker(colour, 0.3), 0.4), 5.0);
        for _ in 0..8 {
            let (x, y) = (random.float(-84.0, 84.0), random.float(-40.0, 46.0));
            c.fill(&oval(x, y, 3.5, 2.5), faint(darker(colour, 0.5), 0.5));
        }
    });
    canvas.stroke(&shape, faint(darker(colour, 0.38), 0.8), 5.0);
}

fn ridged(canvas: &mut Canvas, colour: Color) {
    let shape =
        path("M -96 0 C -92 -56 -44 -78 4 -76 C 60 -74 100 -40 96 8 C 92 54 44 76 -8 74 C -60 70 -98 48 -96 0 Z");
    canvas.fill_ball(&shape, colour);
    canvas.within(&shape, |c| {
        for step in -4..=4_i8 {
            let x = f32::from(step) * 24.0;
            let ridge = path(&format!("M {} -90 Q {} 0 {} 90", x + 16.0, x - 10.0, x + 6.0));
            c.stroke(&ridge, faint(darker(colour, 0.32), 0.6), 6.0);
        }
    });
    canvas.stroke(&shape, faint(darker(colour, 0.3), 0.75), 5.0);
}

fn stick(canvas: &mut Canvas, colour: Color) {
    let shape = path(
        "M -106 20 Q -116 -14 -84 -20 Q 0 -46 86 -22 Q 116 -14 106 20 Q 100 34 80 28 Q 0 6 -80 30 Q -100 36 -106 20 Z",
    );
    canvas.fill_down(&shape, lighter(colour, 0.25), darker(colour, 0.22));
    canvas.within(&shape, |c| {
        for step in -5..=5_i8 {
            let x = f32::from(step) * 20.0;
            c.stroke(&path(&format!("M {} -50 L {} 44", x + 7.0, x - 7.0)), faint(darker(colour, 0.42), 0.55), 5.0);
        }
    });
    canvas.stroke(&shape, faint(darker(colour, 0.35), 0.7), 4.0);
}

fn ring(canvas: &mut Canvas, colour: Color) {
    let middle = oval(0.0, 0.0, 66.0, 56.0);
    canvas.stroke(&middle, darker(colour, 0.32), 50.0);
    canvas.stroke(&middle, colour, 42.0);
    canvas.stroke(&path("M -72 -12 C -62 -56 10 -80 54 -46"), lighter(colour, 0.45), 12.0);
    canvas.stroke(&path("M -30 66 C 10 72 56 52 70 12"), faint(darker(colour, 0.4), 0.35), 10.0);
}

fn cone(canvas: &mut Canvas, colour: Color) {
    let shape = path("M -62 62 C -30 0 -8 -60 4 -98 Q 12 -108 20 -96 C 40 -50 64 10 84 44 C 66 90 -40 102 -62 62 Z");
    canvas.fill_round(&shape, colour);
    canvas.fill(&path("M -62 62 C -30 30 60 16 84 44 C 66 90 -40 102 -62 62 Z"), darker(colour, 0.42));
    canvas.stroke(&path("M -62 62 C -30 30 60 16 84 44"), lighter(colour, 0.3), 8.0);
    canvas.stroke(&shape, faint(darker(colour, 0.35), 0.6), 4.0);
}

fn ball(canvas: &mut Canvas, colour: Color, specks: u8, random: &mut Random) {
    let shape =
        path("M -80 0 C -82 -48 -40 -82 4 -80 C 52 -78 84 -40 80 6 C 76 54 40 80 -4 78 C -50 76 -78 44 -80 0 Z");
    canvas.fill_ball(&shape, colour);
    canvas.within(&shape, |c| {
        for _ in 0..specks {
            let (x, y) = (random.float(-66.0, 66.0), random.float(-66.0, 66.0));
            c.fill(&oval(x, y, 6.0, 4.5), faint(darker(colour, 0.6), 0.55));
        }
    });
    canvas.fill(&oval(-28.0, -36.0, 18.0, 11.0), faint(hex(WHITE), 0.4));
}

fn crescent(canvas: &mut Canvas, colour: Color) {
    let shape = path("M -92 -44 C -70 40 10 76 92 20 Q 104 8 92 -2 C 40 14 -20 -8 -62 -62 Q -88 -76 -92 -44 Z");
    canvas.fill_down(&shape, lighter(colour, 0.3), darker(colour, 0.2));
    canvas.stroke(&path("M -66 -40 C -40 14 20 36 76 16"), faint(hex(WHITE), 0.5), 9.0);
    canvas.stroke(&shape, faint(darker(colour, 0.35), 0.6), 4.0);
}

fn twist(canvas: &mut Canvas, colour: Color) {
    for step in -3..=3_i8 {
        let x = f32::from(step) * 28.0;
        canvas.at(x, 0.0, 32.0, 1.0, |c| {
            let part = oval(0.0, 0.0, 25.0, 44.0);
            c.fill_ball(&part, colour);
            c.stroke(&part, faint(darker(colour, 0.45), 0.6), 4.0);
        });
        canvas.fill(&oval(x - 4.0, -12.0, 5.0, 7.0), faint(lighter(colour, 0.7), 0.8));
    }
}

fn shell(canvas: &mut Canvas, colour: Color) {
    for (y, width, shade) in [(34.0, 96.0, 0.3), (10.0, 84.0, 0.16), (-14.0, 68.0, 0.0)] {
        let layer =
            path(&format!("M {0} {y} C {0} {2} {1} {2} {1} {y} Q 0 {3} {0} {y} Z", -width, width, y - 92.0, y + 34.0));
        canvas.fill_down(&layer, lighter(darker(colour, shade), 0.2), darker(colour, shade + 0.12));
        canvas.stroke(&layer, faint(darker(colour, 0.45), 0.6), 4.0);
    }
    for x in [-30.0, 4.0, 34.0] {
        canvas.fill(&oval(x, -40.0, 6.0, 4.0), faint(darker(colour, 0.55), 0.5));
    }
}

fn fish(canvas: &mut Canvas, colour: Color) {
    let shape = path(
        "M -96 4 C -70 -58 10 -66 52 -12 L 92 -48 Q 104 -46 100 -30 Q 84 0 102 32 Q 104 50 92 48 L 52 16 C 8 66 -70 62 -96 4 Z",
    );
    canvas.fill_ball(&shape, colour);
    canvas.stroke(&shape, darker(colour, 0.3), 5.0);
    canvas.fill(&oval(-56.0, -10.0, 8.0, 8.0), darker(colour, 0.75));
    canvas.stroke(&path("M -84 18 Q -70 24 -62 14"), darker(colour, 0.6), 5.0);
    for x in [-18.0, 10.0] {
        canvas.stroke(&path(&format!("M {x} -26 Q {} 0 {x} 26", x + 18.0)), faint(darker(colour, 0.4), 0.6), 5.0);
    }
}

fn holes(canvas: &mut Canvas, colour: Color, reach: f32) {
    for row in -1..=1_i8 {
        for column in -1..=1_i8 {
            let (x, y) = (f32::from(column) * reach, f32::from(row) * reach);
            canvas.fill(&oval(x, y, 6.5, 6.5), darker(colour, 0.42));
            canvas.fill(&oval(x + 1.5, y + 2.0, 4.5, 4.5), darker(colour, 0.6));
        }
    }
}

fn biscuit(canvas: &mut Canvas, colour: Color) {
    for step in 0..18_u8 {
        canvas.at(0.0, 0.0, f32::from(step) * 20.0, 1.0, |c| {
            c.fill(&oval(0.0, -84.0, 17.0, 15.0), darker(colour, 0.16));
        });
    }
    canvas.fill_ball(&oval(0.0, 0.0, 90.0, 90.0), colour);
    canvas.stroke(&oval(0.0, 0.0, 70.0, 70.0), faint(darker(colour, 0.4), 0.5), 5.0);
    holes(canvas, colour, 32.0);
}

fn cracker(canvas: &mut Canvas, colour: Color) {
    let shape = slab(-86.0, -86.0, 172.0, 172.0, 22.0);
    canvas.fill_ball(&shape, colour);
    canvas.stroke(&shape, darker(colour, 0.26), 6.0);
    canvas.stroke(&slab(-68.0, -68.0, 136.0, 136.0, 14.0), faint(darker(colour, 0.3), 0.35), 4.0);
    holes(canvas, colour, 38.0);
}

fn wafer(canvas: &mut Canvas, colour: Color) {
    canvas.fill(&slab(-100.0, 26.0, 200.0, 36.0, 10.0), darker(colour, 0.5));
    canvas.fill(&slab(-100.0, 40.0, 200.0, 34.0, 10.0), darker(colour, 0.18));
    let top = slab(-100.0, -62.0, 200.0, 96.0, 14.0);
    canvas.fill_down(&top, lighter(colour, 0.25), colour);
    canvas.within(&top, |c| {
        for step in -5..=5_i8 {
            let x = f32::from(step) * 36.0;
            for slant in [-60.0, 60.0] {
                c.stroke(
                    &path(&format!("M {} -70 L {} 44", x - slant, x + slant)),
                    faint(darker(colour, 0.35), 0.5),
                    4.0,
                );
            }
        }
    });
    canvas.stroke(&top, darker(colour, 0.25), 4.0);
}

fn chip_cookie(canvas: &mut Canvas, colour: Color, random: &mut Random) {
    let shape =
        path("M -88 4 C -94 -44 -52 -90 -4 -88 C 46 -90 92 -52 88 -2 C 92 48 50 90 2 86 C -48 90 -86 50 -88 4 Z");
    canvas.fill_ball(&shape, colour);
    canvas.stroke(&shape, faint(darker(colour, 0.35), 0.6), 5.0);
    for step in 0..9_u8 {
        let (turn, reach) = (f32::from(step) * 40.0, if step % 3 == 0 { 24.0 } else { 60.0 });
        let (size, tilt) = (random.float(10.0, 15.0), random.float(0.0, 90.0));
        canvas.at(0.0, 0.0, turn, 1.0, |c| {
            c.at(reach, 0.0, tilt, 1.0, |c| {
                c.fill_ball(&slab(-size, -size * 0.8, size * 2.0, size * 1.6, size * 0.7), hex(0x004a_2814));
            });
        });
    }
}

fn almond(canvas: &mut Canvas, colour: Color) {
    let shape = path("M -98 6 C -60 -62 30 -66 98 -4 C 40 66 -56 62 -98 6 Z");
    canvas.fill_ball(&shape, colour);
    for bend in [-30.0, -10.0, 12.0, 32.0] {
        let line = path(&format!("M -74 4 C -30 {0} 30 {0} 74 -2", bend * 1.3));
        canvas.stroke(&line, faint(darker(colour, 0.45), 0.45), 4.0);
    }
    canvas.stroke(&shape, faint(darker(colour, 0.45), 0.7), 4.0);
}

fn bear(canvas: &mut Canvas, colour: Color) {
    let rim = darker(colour, 0.22);
    for (x, y, rx, ry) in [
        (-34.0, -84.0, 17.0, 17.0),
        (34.0, -84.0, 17.0, 17.0),
        (-58.0, 4.0, 22.0, 28.0),
        (58.0, 4.0, 22.0, 28.0),
        (-36.0, 78.0, 26.0, 26.0),
        (36.0, 78.0, 26.0, 26.0),
        (0.0, 26.0, 56.0, 62.0),
        (0.0, -56.0, 44.0, 40.0),
    ] {
        canvas.fill_ball(&oval(x, y, rx, ry), rim);
        canvas.fill_ball(&oval(x, y, rx - 4.0, ry - 4.0), colour);
    }
    canvas.fill(&oval(0.0, 30.0, 30.0, 34.0), faint(lighter(colour, 0.6), 0.35));
    canvas.fill(&oval(0.0, -46.0, 16.0, 12.0), faint(lighter(colour, 0.7), 0.5));
    for x in [-16.0, 16.0] {
        canvas.fill(&oval(x, -66.0, 5.0, 6.0), darker(colour, 0.65));
    }
    canvas.fill(&oval(-24.0, -78.0, 10.0, 6.0), faint(hex(WHITE), 0.6));
}

fn drop(canvas: &mut Canvas, colour: Color) {
    let shape =
        path("M 0 -92 C 22 -48 78 -12 76 34 C 74 78 34 94 0 94 C -34 94 -74 78 -76 34 C -78 -12 -22 -48 0 -92 Z");
    canvas.fill_ball(&shape, mix(colour, hex(WHITE), 0.08));
    canvas.stroke(&path("M -46 40 C -46 14 -30 -6 -14 -26"), faint(hex(WHITE), 0.6), 12.0);
    canvas.stroke(&shape, faint(darker(colour, 0.25), 0.6), 4.0);
}
