import { expect, it } from 'vitest'

import { BASE_URL, useBrowser } from './harness'

const { newContext } = useBrowser()

it('Swagger UI sends requests to the host that it was opened with', async () => {
  const page = await (await newContext()).newPage()
  // PUBLIC_URL is 127.0.0.1, and the page may connect to its own origin only.
  await page.goto(`${BASE_URL.replace('127.0.0.1', 'localhost')}/docs`)
  const operation = page.locator('#operations-operations-is_live')
  await operation.click()
  await operation.getByRole('button', { name: 'Try it out' }).click()
  await operation.getByRole('button', { name: 'Execute' }).click()
  const status = operation.locator('.live-responses-table .response-col_status')
  await status.last().waitFor()
  expect((await status.allTextContents()).map((text) => text.trim())).toContain('200')
})
