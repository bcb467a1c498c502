/** The button of the cart bar that orders. */
export const ORDER_BUTTON = 'cart-order'

export function focusOrderButton(): void {
  document.getElementById(ORDER_BUTTON)?.focus()
}
