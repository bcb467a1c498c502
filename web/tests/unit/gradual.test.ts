import { effectScope, nextTick, ref } from 'vue'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { useGradual } from '../../src/ui/useGradual'

/** The rendered numbers of rows after each step, until nothing changes any more. */
async function stepsOf(rendered: { value: number }): Promise<number[]> {
  const steps = [rendered.value]
  while (vi.getTimerCount() > 0) {
    vi.runOnlyPendingTimers()
    await nextTick()
    steps.push(rendered.value)
  }
  return steps
}

describe('the rows of a list that are rendered', () => {
  beforeEach(() => {
    vi.useFakeTimers()
    vi.stubGlobal('window', globalThis)
  })
  afterEach(() => {
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })

  const scope = effectScope()
  const gradual = (count: { value: number }) => scope.run(() => useGradual(() => count.value, { first: 4, step: 2 }))!

  it('are those in view and then all others, two at a time', async () => {
    const count = ref(0)
    const rendered = gradual(count)
    count.value = 11
    await nextTick()
    expect(await stepsOf(rendered)).toEqual([4, 6, 8, 11])
  })

  it('are all of them if they are there from the start', async () => {
    expect(await stepsOf(gradual(ref(24)))).toEqual([24])
  })

  it('are a further one at once, and a further page step by step', async () => {
    const count = ref(24)
    const rendered = gradual(count)
    count.value = 25
    expect(rendered.value).toBe(25)
    await nextTick()
    count.value = 31
    await nextTick()
    expect(await stepsOf(rendered)).toEqual([25, 27, 31])
  })
})
