let navigated = false

/** False until the user has gone from the first page to another one. */
export function hasNavigated(): boolean {
  return navigated
}

export function recordNavigation(): void {
  navigated = true
}
