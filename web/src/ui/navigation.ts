// Whether the page that is shown was reached from another one, not by loading it.
let navigated = false

export function hasNavigated(): boolean {
  return navigated
}

export function noteNavigation(): void {
  navigated = true
}
