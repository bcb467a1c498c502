import { computed, onScopeDispose, ref, watchEffect } from 'vue'

/**
 * The number of rows of a list to be rendered now: at first those in view, then some more at a time, so that a slow phone can respond
 * between them. Rows that are there from the start are rendered at once, because the browser returns to a position among them.
 */
export function useGradual(count: () => number, { first, step }: { first: number; step: number }) {
  const limit = ref(Math.max(first, count()))
  const rendered = computed(() => (count() <= limit.value + step ? count() : limit.value))
  let timer = 0
  watchEffect(() => {
    clearTimeout(timer)
    if (rendered.value === count()) limit.value = Math.max(limit.value, count())
    else timer = window.setTimeout(() => (limit.value += step))
  })
  onScopeDispose(() => clearTimeout(timer))
  return rendered
}
