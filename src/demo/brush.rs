//! What the pictures are painted with: a canvas of 640 by 640, shapes in the notation of SVG paths, shading, shadows.
//!
//! A shape that cannot be (a path without a segment, a rectangle turned inside out) is `None` and paints nothing.

use tiny_skia::{
    Color, FillRule, GradientStop, LineCap, LineJoin, LinearGradient, Mask, Paint, Path, PathBuilder, Pixmap, Point,
    RadialGradient, Rect, Shader, SpreadMode, Stroke, Transform,
};

/// The length of a picture's sides, in pixels.
pub(super) const SIDE: u32 = 640;

/// A shape, or nothing where its numbers make none.
pub(super) type Shape = Option<Path>;

/// White, for lights and paper.
pub(super) const WHITE: u32 = 0x00ff_ffff;

/// A colour written as `0xRRGGBB`.
pub(super) fn hex(rgb: u32) -> Color {
    let [_, r, g, b] = rgb.to_be_bytes();
    Color::from_rgba8(r, g, b, 255)
}

/// The colour that lies between two, at `share` (0 to 1) of the way.
pub(super) fn mix(from: Color, to: Color, share: f32) -> Color {
    let between = |a: f32, b: f32| a + (b - a) * share;
    Color::from_rgba(
        between(from.red(), to.red()),
        between(from.green(), to.green()),
        between(from.blue(), to.blue()),
        between(from.alpha(), to.alpha()),
    )
    .unwrap_or(from)
}

/// A colour nearer to white.
pub(super) fn lighter(colour: Color, share: f32) -> Color {
    mix(colour, hex(WHITE), share)
}

/// A colour nearer to a warm black.
pub(super) fn darker(colour: Color, share: f32) -> Color {
    mix(colour, hex(0x0024_1608), share)
}

/// A colour with less of itself: 0 is invisible, 1 opaque.
pub(super) fn faint(mut colour: Color, alpha: f32) -> Color {
    colour.set_alpha(alpha);
    colour
}

/// A shape in the notation of SVG: absolute `M`, `L`, `Q`, `C` and `Z`, everything separated by blanks.
pub(super) fn path(notation: &str) -> Shape {
    let mut path = PathBuilder::new();
    let mut command = "";
    let mut numbers = Vec::with_capacity(6);
    for token in notation.split_whitespace() {
        match token.parse::<f32>() {
            Ok(number) => numbers.push(number),
            Err(_) => command = token,
        }
        match (command, numbers.as_slice()) {
            ("M", &[x, y]) => path.move_to(x, y),
            ("L", &[x, y]) => path.line_to(x, y),
            ("Q", &[x1, y1, x, y]) => path.quad_to(x1, y1, x, y),
            ("C", &[x1, y1, x2, y2, x, y]) => path.cubic_to(x1, y1, x2, y2, x, y),
            ("Z", []) => path.close(),
            _ => continue,
        }
        numbers.clear();
    }
    path.finish()
}

/// An ellipse around a point.
pub(super) fn oval(x: f32, y: f32, rx: f32, ry: f32) -> Shape {
    PathBuilder::from_oval(Rect::from_ltrb(x - rx, y - ry, x + rx, y + ry)?)
}

/// A rectangle with rounded corners, by its upper left corner and its size.
pub(super) fn slab(x: f32, y: f32, width: f32, height: f32, round: f32) -> Shape {
    let (right, bottom, k) = (x + width, y + height, round * 0.45);
    let mut path = PathBuilder::new();
    path.move_to(x + round, y);
    path.line_to(right - round, y);
    path.cubic_to(right - k, y, right, y + k, right, y + round);
    path.line_to(right, bottom - round);
    path.cubic_to(right, bottom - k, right - k, bottom, right - round, bottom);
    path.line_to(x + round, bottom);
    path.cubic_to(x + k, bottom, x, bottom - k, x, bottom - round);
    path.line_to(x, y + round);
    path.cubic_to(x, y + k, x + k, y, x + round, y);
    path.close();
    path.finish()
}

/// What is painted on. Everything goes through the current placement and stays within the current outline.
pub(super) struct Canvas {
    pixmap: Pixmap,
    placement: Transform,
    outline: Option<Mask>,
}

impl Canvas {
    /// An empty canvas.
    pub(super) fn new() -> Option<Self> {
        let pixmap = Pixmap::new(SIDE, SIDE)?;
        Some(Self { pixmap, placement: Transform::identity(), outline: None })
    }

    /// The pixels without their transparency, row by row, three bytes each.
    pub(super) fn rgb(&self) -> Vec<u8> {
        self.pixmap.pixels().iter().flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue()]).collect()
    }

    /// Paints what `scene` paints around (0, 0) at another place, turned by degrees and scaled.
    pub(super) fn at(&mut self, x: f32, y: f32, turn: f32, scale: f32, scene: impl FnOnce(&mut Self)) {
        let before = self.placement;
        self.placement = before.pre_translate(x, y).pre_rotate(turn).pre_scale(scale, scale);
        scene(self);
        self.placement = before;
    }

    /// Paints only the part of `scene` that lies within a shape.
    pub(super) fn within(&mut self, shape: &Shape, scene: impl FnOnce(&mut Self)) {
        let (Some(shape), Some(mut mask)) = (shape, Mask::new(SIDE, SIDE)) else {
            return;
        };
        mask.fill_path(shape, FillRule::Winding, true, self.placement);
        let before = self.outline.replace(mask);
        scene(self);
        self.outline = before;
    }

    /// Fills a shape with one colour.
    pub(super) fn fill(&mut self, shape: &Shape, colour: Color) {
        self.paint(shape, Shader::SolidColor(colour));
    }

    /// Fills a shape with a gradient from its upper to its lower edge.
    pub(super) fn fill_down(&mut self, shape: &Shape, top: Color, bottom: Color) {
        let Some(bounds) = shape.as_ref().map(Path::bounds) else {
            return;
        };
        let (from, to) = (Point::from_xy(0.0, bounds.top()), Point::from_xy(0.0, bounds.bottom()));
        self.paint(shape, linear(from, to, &[(0.0, top), (1.0, bottom)]));
    }

    /// Fills a shape as something bulging, lit from the left: a tin, a bag, a cup.
    pub(super) fn fill_round(&mut self, shape: &Shape, colour: Color) {
        let Some(bounds) = shape.as_ref().map(Path::bounds) else {
            return;
        };
        let (from, to) = (Point::from_xy(bounds.left(), 0.0), Point::from_xy(bounds.right(), 0.0));
        let stops = [
            (0.0, darker(colour, 0.18)),
            (0.12, colour),
            (0.3, lighter(colour, 0.28)),
            (0.55, colour),
            (0.85, darker(colour, 0.14)),
            (1.0, darker(colour, 0.3)),
        ];
        self.paint(shape, linear(from, to, &stops));
    }

    /// Fills a shape as a ball, lit from the upper left.
    pub(super) fn fill_ball(&mut self, shape: &Shape, colour: Color) {
        let Some(bounds) = shape.as_ref().map(Path::bounds) else {
            return;
        };
        let light = Point::from_xy(bounds.left() + bounds.width() * 0.35, bounds.top() + bounds.height() * 0.28);
        let reach = bounds.width().max(bounds.height()) * 0.85;
        let stops = [(0.0, lighter(colour, 0.32)), (0.45, colour), (1.0, darker(colour, 0.38))];
        self.paint(shape, radial(light, reach, &stops).unwrap_or(Shader::SolidColor(colour)));
    }

    /// Draws along a shape's outline, with round ends and joints.
    pub(super) fn stroke(&mut self, shape: &Shape, colour: Color, width: f32) {
        let Some(shape) = shape else { return };
        let stroke = Stroke { width, line_cap: LineCap::Round, line_join: LineJoin::Round, ..Stroke::default() };
        let paint = Paint { shader: Shader::SolidColor(colour), ..Paint::default() };
        self.pixmap.stroke_path(shape, &paint, &stroke, self.placement, self.outline.as_ref());
    }

    /// A soft shadow on the ground.
    pub(super) fn shadow(&mut self, x: f32, y: f32, rx: f32, ry: f32) {
        let dark = hex(0x0032_1e14);
        let stops = [(0.0, faint(dark, 0.34)), (0.55, faint(dark, 0.2)), (1.0, faint(dark, 0.0))];
        let before = self.placement;
        self.placement = before.pre_translate(x, y).pre_scale(rx, ry);
        if let Some(shader) = radial(Point::from_xy(0.0, 0.0), 1.0, &stops) {
            self.paint(&oval(0.0, 0.0, 1.0, 1.0), shader);
        }
        self.placement = before;
    }

    fn paint(&mut self, shape: &Shape, shader: Shader<'_>) {
        let Some(shape) = shape else { return };
        let paint = Paint { shader, ..Paint::default() };
        self.pixmap.fill_path(shape, &paint, FillRule::Winding, self.placement, self.outline.as_ref());
    }
}

fn stops(colours: &[(f32, Color)]) -> Vec<GradientStop> {
    colours.iter().map(|&(place, colour)| GradientStop::new(place, colour)).collect()
}

fn linear(from: Point, to: Point, colours: &[(f32, Color)]) -> Shader<'static> {
    let shader = LinearGradient::new(from, to, stops(colours), SpreadMode::Pad, Transform::identity());
    shader.unwrap_or(Shader::SolidColor(colours.first().map_or(Color::BLACK, |stop| stop.1)))
}

fn radial(centre: Point, reach: f32, colours: &[(f32, Color)]) -> Option<Shader<'static>> {
    RadialGradient::new(centre, 0.0, centre, reach, stops(colours), SpreadMode::Pad, Transform::identity())
}
