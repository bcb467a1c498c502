//! Cans, cartons, bottles and noodle cups. Each is painted around (0, 0) and stands on the ground at about y = 230.

use super::brush::{Canvas, WHITE, darker, faint, hex, lighter, oval, path, slab};
use super::picture::Look;

/// Where a name would stand, on something round.
fn badge(canvas: &mut Canvas, look: &Look, y: f32, scale: f32) {
    canvas.at(0.0, y, 0.0, scale, |c| {
        c.fill(&oval(0.0, 0.0, 88.0, 64.0), lighter(look.accent, 0.85));
        c.stroke(&oval(0.0, 0.0, 88.0, 64.0), look.accent, 8.0);
        c.fill(&slab(-54.0, -24.0, 108.0, 24.0, 12.0), darker(look.accent, 0.1));
        c.fill(&slab(-36.0, 12.0, 72.0, 13.0, 6.0), faint(darker(look.accent, 0.1), 0.6));
    });
}

pub(super) fn can(canvas: &mut Canvas, look: &mut Look) {
    let metal = hex(0x00cf_d4da);
    canvas.shadow(0.0, 228.0, 180.0, 30.0);
    let shape = path("M -124 -176 L -96 -226 L 96 -226 L 124 -176 L 124 182 L 98 224 Q 0 246 -98 224 L -124 182 Z");
    canvas.fill_round(&shape, metal);
    let body = path("M -124 -176 Q 0 -150 124 -176 L 124 182 Q 0 212 -124 182 Z");
    canvas.fill_round(&body, look.body);
    let lift = look.random.float(-30.0, 30.0);
    canvas.within(&body, |c| {
        c.fill(
            &path(&format!(
                "M -130 {} C -50 {} 40 {} 130 {} L 130 220 L -130 220 Z",
                40.0 + lift,
                -30.0 - lift,
                120.0 + lift,
                20.0 - lift
            )),
            faint(look.accent, 0.9),
        );
        c.stroke(
            &path(&format!("M -130 {} C -50 {} 40 {} 130 {}", 24.0 + lift, -46.0 - lift, 104.0 + lift, 4.0 - lift)),
            faint(hex(WHITE), 0.7),
            7.0,
        );
        for _ in 0..26 {
            let (x, y, size) =
                (look.random.float(-110.0, 110.0), look.random.float(-140.0, 190.0), look.random.float(3.0, 10.0));
            c.fill(&oval(x, y, size, size), faint(lighter(look.food, 0.5), 0.5));
            c.stroke(&oval(x, y, size, size), faint(hex(WHITE), 0.4), 2.0);
        }
        badge(c, look, -30.0, 1.08);
        c.fill(&slab(-100.0, -190.0, 20.0, 400.0, 0.0), faint(hex(WHITE), 0.3));
    });
    canvas.fill_down(&oval(0.0, -226.0, 98.0, 20.0), lighter(metal, 0.5), darker(metal, 0.15));
    canvas.fill(&oval(0.0, -225.0, 84.0, 14.0), darker(metal, 0.12));
    canvas.fill(&oval(4.0, -229.0, 32.0, 9.0), lighter(metal, 0.5));
    canvas.fill(&oval(10.0, -229.0, 14.0, 4.0), darker(metal, 0.3));
}

pub(super) fn milk(canvas: &mut Canvas, look: &Look) {
    canvas.shadow(10.0, 224.0, 220.0, 34.0);
    canvas.fill_down(
        &path("M 90 -112 L 164 -136 L 164 186 L 90 226 Z"),
        darker(look.body, 0.14),
        darker(look.body, 0.3),
    );
    canvas.fill_down(&path("M 90 -112 L 126 -206 L 164 -136 Z"), darker(look.body, 0.05), darker(look.body, 0.24));
    canvas.fill_down(
        &path("M -140 -112 L -92 -206 L 126 -206 L 90 -112 Z"),
        lighter(look.body, 0.4),
        darker(look.body, 0.04),
    );
    canvas.fill_down(&slab(-94.0, -246.0, 222.0, 44.0, 6.0), lighter(look.accent, 0.2), look.accent);
    let front = slab(-140.0, -112.0, 230.0, 338.0, 4.0);
    canvas.fill_down(&front, lighter(look.body, 0.3), look.body);
    canvas.within(&front, |c| {
        c.fill(&path("M -150 110 C -90 70 -20 160 100 96 L 100 240 L -150 240 Z"), look.accent);
        c.fill(&path("M -150 140 C -90 100 -20 190 100 126 L 100 240 L -150 240 Z"), lighter(look.accent, 0.3));
        c.at(-26.0, 0.0, 0.0, 1.0, |c| badge(c, look, -34.0, 1.02));
        for (x, y, size) in [(-84.0, 168.0, 26.0), (-20.0, 182.0, 32.0), (44.0, 166.0, 24.0)] {
            c.fill_ball(&oval(x, y, size, size), look.food);
        }
    });
    canvas.stroke(&path("M -138 -112 L 90 -112 L 90 224"), faint(hex(WHITE), 0.55), 4.0);
    canvas.stroke(&path("M 20 -222 L 78 -300 L 128 -306"), lighter(look.food, 0.1), 13.0);
    canvas.stroke(&path("M 22 -228 L 78 -302"), faint(hex(WHITE), 0.5), 4.0);
}

pub(super) fn pot(canvas: &mut Canvas, look: &Look) {
    canvas.shadow(0.0, 222.0, 190.0, 32.0);
    let shape = path(
        "M -78 -182 L 78 -182 C 84 -120 152 -80 152 10 C 152 110 112 190 84 220 L -84 220 C -112 190 -152 110 -152 10 C -152 -80 -84 -120 -78 -182 Z",
    );
    canvas.fill_round(&shape, look.body);
    canvas.within(&shape, |c| {
        c.fill(&path("M -170 -20 Q 0 16 170 -20 L 170 100 Q 0 136 -170 100 Z"), faint(look.accent, 0.92));
        c.at(0.0, 56.0, 0.0, 1.0, |c| badge(c, look, 0.0, 0.86));
        c.fill(&path("M -116 -60 C -140 -10 -136 60 -112 120 C -106 60 -112 0 -96 -60 Z"), faint(hex(WHITE), 0.4));
        c.stroke(&path("M -100 -116 Q 0 -92 100 -116"), faint(darker(look.body, 0.4), 0.3), 5.0);
        c.stroke(&path("M -120 186 Q 0 214 120 186"), faint(darker(look.body, 0.4), 0.3), 5.0);
    });
    canvas.fill_round(&path("M -88 -204 L 88 -204 L 84 -172 Q 0 -158 -84 -172 Z"), look.food);
    canvas.fill_down(&oval(0.0, -204.0, 88.0, 18.0), lighter(look.food, 0.55), lighter(look.food, 0.15));
    canvas.stroke(&path("M 24 -204 L 60 -296"), lighter(look.accent, 0.15), 15.0);
    canvas.stroke(&path("M 22 -210 L 56 -294"), faint(hex(WHITE), 0.5), 4.0);
}

pub(super) fn bottle(canvas: &mut Canvas, look: &Look) {
    canvas.shadow(0.0, 230.0, 150.0, 28.0);
    let shape = path(
        "M -36 -232 L 36 -232 L 38 -180 C 44 -130 104 -120 104 -60 L 104 -10 C 96 0 96 20 104 30 L 104 200 \
         C 104 226 90 232 70 232 L -70 232 C -90 232 -104 226 -104 200 L -104 30 C -96 20 -96 0 -104 -10 L -104 -60 \
         C -104 -120 -44 -130 -38 -180 Z",
    );
    canvas.fill_round(&shape, look.food);
    canvas.within(&shape, |c| {
        c.fill(&slab(-60.0, -240.0, 120.0, 62.0, 0.0), faint(hex(WHITE), 0.35));
        let wrap = slab(-110.0, -56.0, 220.0, 190.0, 0.0);
        c.fill_round(&wrap, look.body);
        c.fill(&path("M -110 90 Q 0 40 110 90 L 110 134 L -110 134 Z"), look.accent);
        badge(c, look, 18.0, 0.9);
        for y in [160.0, 184.0, 208.0] {
            c.stroke(&path(&format!("M -110 {y} Q 0 {} 110 {y}", y + 14.0)), faint(darker(look.food, 0.4), 0.25), 5.0);
        }
        c.fill(&slab(-82.0, -130.0, 18.0, 350.0, 9.0), faint(hex(WHITE), 0.4));
    });
    canvas.fill_round(&slab(-46.0, -264.0, 92.0, 50.0, 10.0), look.accent);
    for step in 0..7_u8 {
        let x = f32::from(step) * 12.0 - 36.0;
        canvas.stroke(&path(&format!("M {x} -254 L {x} -224")), faint(darker(look.accent, 0.5), 0.3), 3.0);
    }
}

pub(super) fn ramen(canvas: &mut Canvas, look: &mut Look) {
    canvas.shadow(0.0, 220.0, 210.0, 34.0);
    canvas.at(-30.0, -150.0, -16.0, 1.0, |c| {
        c.fill_down(&oval(-60.0, -40.0, 170.0, 46.0), lighter(look.body, 0.75), lighter(look.body, 0.4));
        c.stroke(&oval(-60.0, -40.0, 170.0, 46.0), lighter(look.body, 0.2), 6.0);
    });
    canvas.fill(&oval(0.0, -92.0, 196.0, 62.0), lighter(look.body, 0.85));
    let soup = oval(0.0, -88.0, 180.0, 52.0);
    canvas.fill_down(&soup, darker(look.accent, 0.12), lighter(look.accent, 0.1));
    canvas.within(&soup, |c| {
        for step in 0..9_u8 {
            let (y, bend) = (-124.0 + f32::from(step) * 9.0, look.random.float(-26.0, 26.0));
            let noodle = path(&format!(
                "M -170 {y} C -90 {} -40 {} 10 {y} C 60 {} 110 {} 170 {y}",
                y + bend,
                y - bend,
                y + bend,
                y - bend
            ));
            c.stroke(&noodle, hex(0x00f6_d77a), 9.0);
            c.stroke(&noodle, faint(hex(0x00ff_f3c4), 0.9), 3.0);
        }
        for (x, y) in [(-90.0, -76.0), (-20.0, -98.0), (60.0, -70.0), (110.0, -96.0), (10.0, -62.0)] {
            c.fill_ball(&oval(x, y, 17.0, 9.0), look.food);
        }
        c.fill_ball(&oval(-50.0, -104.0, 26.0, 13.0), hex(0x00ff_f6e0));
        c.fill_ball(&oval(-50.0, -105.0, 14.0, 7.0), hex(0x00f5_a623));
    });
    for (x, turn) in [(70.0, 24.0), (100.0, 30.0)] {
        canvas.at(x, -130.0, turn, 1.0, |c| {
            c.fill_round(&slab(-7.0, -170.0, 14.0, 210.0, 5.0), hex(0x00d7_a86e));
        });
    }
    let shape = path("M -196 -92 Q -160 -20 0 -18 Q 160 -20 196 -92 L 146 208 Q 0 240 -146 208 Z");
    canvas.fill_round(&shape, look.body);
    canvas.within(&shape, |c| {
        c.fill(&path("M -200 110 Q 0 160 200 110 L 200 250 L -200 250 Z"), faint(look.accent, 0.9));
        c.stroke(&path("M -196 92 Q 0 142 196 92"), faint(hex(WHITE), 0.75), 7.0);
        badge(c, look, 56.0, 0.96);
        c.fill(&path("M -168 -60 L -146 -40 L -112 220 L -130 216 Z"), faint(hex(WHITE), 0.3));
    });
    canvas.stroke(&path("M -196 -92 Q -160 -20 0 -18 Q 160 -20 196 -92"), lighter(look.body, 0.8), 9.0);
    for x in [-60.0, 0.0] {
        canvas.stroke(
            &path(&format!("M {x} -170 C {} -200 {} -220 {x} -250", x + 34.0, x - 34.0)),
            faint(hex(WHITE), 0.75),
            10.0,
        );
    }
}
