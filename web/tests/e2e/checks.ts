// Checks of a whole page.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type axe from 'axe-core'
import type { Page } from 'playwright-core'
import { expect } from 'vitest'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** The violations that axe finds. The debugger evaluates it, because the Content-Security-Policy forbids scripts. */
export async function audit(page: Page): Promise<string[]> {
  await page.evaluate(AXE)
  const { passes, violations } = await page.evaluate(() => (window as unknown as { axe: typeof axe }).axe.run())
  // axe has run its checks.
  expect(passes.length).toBeGreaterThan(15)
  return violations.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${id}: ${node.target.join(' ')} ${node.failureSummary}`),
  )
}

/** True if the page scrolls sideways. */
export const overflows = (page: Page) =>
  page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth)
