//! The pictures of the demo snacks: a pastel ground, the pack that the snack comes in, and some of what is inside.

use std::io::Cursor;

use image::error::{ParameterError, ParameterErrorKind};
use image::{ExtendedColorType, ImageError, ImageFormat};
use tiny_skia::Color;

use super::brush::{Canvas, SIDE, WHITE, darker, faint, hex, lighter, mix, oval, slab};
use super::food::Food;
use super::random::Random;
use super::{drink, ice, pack, sweet};

/// How a snack is packed, and what it looks like inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A pillow bag.
    Bag(Food),
    /// A flat pouch with a window.
    Pouch(Food),
    /// A carton box.
    Carton(Food),
    /// A round tube with a lid.
    Tube(Food),
    /// A chocolate bar in its wrapper.
    Bar,
    /// A filled bar, wrapped and bitten.
    SnackBar,
    /// Sandwich cookies, stacked.
    Sandwich,
    /// Cakes under chocolate.
    Cake,
    /// A box of dipped sticks.
    Sticks,
    /// A bowl full.
    Bowl(Food),
    /// Sweets in twisted paper.
    Candy,
    /// Lollipops.
    Lollipop,
    /// A drink can.
    Can,
    /// A carton with a gable.
    Milk,
    /// A small pot-bellied bottle.
    Pot,
    /// A tall bottle.
    Bottle,
    /// A cup of noodles.
    Ramen,
    /// Ice cream on a stick.
    Popsicle,
    /// Ice cream in a cone.
    Cone,
    /// Ice cream in a tub.
    Tub,
    /// Ice cream in a waffle like a fish.
    FishWaffle,
}

/// What a picture shows, and its colours as `0xRRGGBB`: of the pack, of its ornament, of what is inside.
#[derive(Debug, Clone, Copy)]
pub struct Picture {
    /// The kind of pack.
    pub kind: Kind,
    /// The colours of pack, ornament and food.
    pub colours: [u32; 3],
}

/// The colours of one picture and its stream of small variations.
pub(super) struct Look {
    /// The pack.
    pub(super) body: Color,
    /// The ornament.
    pub(super) accent: Color,
    /// What is inside.
    pub(super) food: Color,
    /// The variations.
    pub(super) random: Random,
}

/// Draws a snack's picture: a PNG of 640 by 640. The name varies it; the same name gives the same bytes.
///
/// # Errors
///
/// What the PNG encoder has to say, which for these pictures is nothing.
pub fn draw(picture: Picture, name: &str) -> Result<Vec<u8>, ImageError> {
    let [body, accent, food] = picture.colours.map(hex);
    let mut look = Look { body, accent, food, random: Random::of(name) };
    let kind = ParameterErrorKind::DimensionMismatch;
    let mut canvas = Canvas::new().ok_or_else(|| ImageError::Parameter(ParameterError::from_kind(kind)))?;
    ground(&mut canvas, &mut look);
    let lean = look.random.float(-3.0, 3.0);
    canvas.at(320.0, 330.0, lean, 1.0, |canvas| match picture.kind {
        Kind::Bag(food) => pack::bag(canvas, &mut look, food),
        Kind::Pouch(food) => pack::pouch(canvas, &mut look, food),
        Kind::Carton(food) => pack::carton(canvas, &mut look, food),
        Kind::Tube(food) => pack::tube(canvas, &mut look, food),
        Kind::Bar => sweet::bar(canvas, &mut look),
        Kind::SnackBar => sweet::snack_bar(canvas, &mut look),
        Kind::Sandwich => sweet::sandwich(canvas, &look),
        Kind::Cake => sweet::cake(canvas, &look),
        Kind::Sticks => sweet::sticks(canvas, &mut look),
        Kind::Bowl(food) => pack::bowl(canvas, &mut look, food),
        Kind::Candy => sweet::candy(canvas, &look),
        Kind::Lollipop => sweet::lollipop(canvas, &look),
        Kind::Can => drink::can(canvas, &mut look),
        Kind::Milk => drink::milk(canvas, &look),
        Kind::Pot => drink::pot(canvas, &look),
        Kind::Bottle => drink::bottle(canvas, &look),
        Kind::Ramen => drink::ramen(canvas, &mut look),
        Kind::Popsicle => ice::popsicle(canvas, &look),
        Kind::Cone => ice::cone(canvas, &mut look),
        Kind::Tub => ice::tub(canvas, &mut look),
        Kind::FishWaffle => ice::fish_waffle(canvas, &mut look),
    });
    let mut png = Cursor::new(Vec::new());
    image::write_buffer_with_format(&mut png, &canvas.rgb(), SIDE, SIDE, ExtendedColorType::Rgb8, ImageFormat::Png)?;
    Ok(png.into_inner())
}

/// The pastel ground: a gradient, a bright disc behind the snack, a little confetti.
fn ground(canvas: &mut Canvas, look: &mut Look) {
    let base = mix(look.body, look.accent, look.random.float(0.25, 0.6));
    let sheet = slab(0.0, 0.0, 640.0, 640.0, 0.0);
    canvas.fill_down(&sheet, lighter(base, 0.84), lighter(base, 0.62));
    let (x, y) = (look.random.float(290.0, 350.0), look.random.float(280.0, 320.0));
    canvas.fill(&oval(x, y, 262.0, 262.0), faint(hex(WHITE), 0.42));
    canvas.fill(&oval(x, y, 214.0, 214.0), faint(hex(WHITE), 0.3));
    for _ in 0..12 {
        let (turn, reach) = (look.random.float(0.0, 360.0), look.random.float(262.0, 330.0));
        let (size, tilt) = (look.random.float(5.0, 10.0), look.random.float(0.0, 90.0));
        let tone = if look.random.chance(50) { look.accent } else { look.food };
        let shape = match look.random.below(3) {
            0 => oval(0.0, 0.0, size, size),
            1 => slab(-size, -size, size * 2.0, size * 2.0, size * 0.5),
            _ => slab(-size * 1.6, -size * 0.5, size * 3.2, size, size * 0.5),
        };
        canvas.at(x, y, turn, 1.0, |c| {
            c.at(reach, 0.0, tilt, 1.0, |c| {
                c.fill(&shape, faint(lighter(darker(tone, 0.1), 0.25), 0.55));
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_a_png_that_depends_on_kind_colours_and_name_alone() {
        let picture = |kind, name| draw(Picture { kind, colours: [0x00c6_2828, 0x00fd_d835, 0x00d0_934a] }, name).ok();
        let bag = picture(Kind::Bag(Food::Chip), "감자칩");
        let decoded = bag.as_deref().and_then(|bytes| image::load_from_memory(bytes).ok());
        assert_eq!(decoded.map(|picture| (picture.width(), picture.height())), Some((SIDE, SIDE)));
        assert_eq!(bag, picture(Kind::Bag(Food::Chip), "감자칩"));
        assert_ne!(bag, picture(Kind::Bag(Food::Chip), "옥수수칩"));
        assert_ne!(bag, picture(Kind::Can, "감자칩"));
    }
}
