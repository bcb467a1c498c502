import { crc32, deflateSync } from 'node:zlib'
import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'

import {
  PNG,
  appUrl,
  card,
  expectText,
  newAdmin,
  newMember,
  newSnack,
  request,
  toast,
  unique,
  useBrowser,
  type Person,
  type Snack,
} from './harness'

const { open } = useBrowser()

const at = (snack: Snack) => `/snacks?search=${encodeURIComponent(snack.name)}`

/** Opens the snack list with `snack` alone. */
async function openSnack(person: Person, snack: Snack): Promise<Page> {
  const page = await open(person)
  await page.goto(appUrl(at(snack)))
  await card(page, snack).waitFor()
  return page
}

/** A PNG of one colour, with many pixels in few bytes. */
function blankPng(width: number, height: number): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
    const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)]
    length.writeUInt32BE(data.length)
    check.writeUInt32BE(crc32(body))
    return Buffer.concat([length, body, check])
  }
  // Eight bits of grey per pixel.
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0])
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  const pixels = deflateSync(Buffer.alloc((width + 1) * height))
  const signature = Buffer.from('89504e470d0a1a0a', 'hex')
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', pixels), chunk('IEND', Buffer.alloc(0))])
}

describe('registering a snack', () => {
  it('previews a chosen picture and shows all fields afterwards', async () => {
    const page = await open(await newMember(), '/snacks')
    await page.getByRole('button', { name: '간식 등록' }).first().click()
    const dialog = page.getByRole('dialog')
    const name = `고른 과자 ${unique()}`
    await dialog.getByLabel('간식 이름').fill(name)
    await dialog.getByLabel('가격').fill('3.99')
    await dialog.getByLabel('통화').selectOption('USD')
    await dialog.getByLabel('판매처 주소').fill('https://www.snack.example/crackers')
    await dialog.getByLabel('설명').fill('먹어 본 사람만 아는 맛')
    await dialog.locator('input[type=file]').setInputFiles({ name: 'snack.png', mimeType: 'image/png', buffer: PNG })
    const preview = dialog.getByRole('img', { name: '사진 미리 보기' })
    expect(await preview.getAttribute('src')).toMatch(/^blob:/)
    await expect.poll(() => preview.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBe(8)
    await dialog.getByRole('button', { name: '간식 등록' }).click()
    await toast(page, '등록했습니다').waitFor()

    await page.getByLabel('검색').fill(name)
    const shown = card(page, { name })
    await shown.waitFor()
    await expectText(shown, /US\$3\.99/)
    await expectText(shown, /먹어 본 사람만 아는 맛/)
    expect(await shown.getByRole('link', { name: /판매처/ }).getAttribute('href')).toBe(
      'https://www.snack.example/crackers',
    )
    await expect
      .poll(() => shown.locator('img').evaluate((image: HTMLImageElement) => image.naturalWidth))
      .toBeGreaterThan(0)
  })

  it('accepts a pasted picture, and a dropped one instead of it', async () => {
    const page = await open(await newMember(), '/snacks')
    await page.getByRole('button', { name: '간식 등록' }).first().click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('간식 이름').fill(`붙인 과자 ${unique()}`)
    await dialog.getByLabel('가격').fill('1,500')
    const give = (type: 'paste' | 'drop', text = '') =>
      dialog.locator('.drop').evaluate(
        (target, { type, bytes, text }) => {
          const data = new DataTransfer()
          if (text) data.setData('text/plain', text)
          data.items.add(new File([new Uint8Array(bytes)], 'snack.png', { type: 'image/png' }))
          target.dispatchEvent(
            type === 'paste'
              ? new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true })
              : new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }),
          )
        },
        { type, bytes: [...PNG], text },
      )
    const preview = dialog.getByRole('img', { name: '사진 미리 보기' })
    // A spreadsheet adds a picture of its cells to their text.
    await give('paste', '1,500')
    expect(await preview.count()).toBe(0)
    await give('paste')
    const pasted = await preview.getAttribute('src')
    await give('drop')
    await expect.poll(() => preview.getAttribute('src')).not.toBe(pasted)
    await dialog.getByRole('button', { name: '사진 삭제' }).click()
    await preview.waitFor({ state: 'detached' })
    await give('paste')
    const sent = page.waitForRequest((request) => request.method() === 'POST' && request.url().endsWith('/snacks'))
    await dialog.getByRole('button', { name: '간식 등록' }).click()
    expect((await sent).headers()['content-type']).toMatch(/^multipart\/form-data/)
    await toast(page, '등록했습니다').waitFor()
  })

  it("shows the server's errors at their fields", async () => {
    const taken = await newSnack()
    const page = await open(await newMember(), '/snacks')
    await page.getByRole('button', { name: '간식 등록' }).first().click()
    const dialog = page.getByRole('dialog')
    const field = (label: string) => dialog.locator('.field', { hasText: label })
    await dialog.getByLabel('판매처 주소').fill('ftp://snack.example')
    await dialog.getByRole('button', { name: '간식 등록' }).click()
    await field('간식 이름').getByText('필수 항목입니다.').waitFor()
    await field('가격').getByText('필수 항목입니다.').waitFor()
    await field('판매처 주소').getByText('http:// 또는 https:// 로 시작하고 공백이 없는 주소여야 합니다.').waitFor()
    await expect
      .poll(() => dialog.getByLabel('간식 이름').evaluate((input) => input === document.activeElement))
      .toBe(true)

    await dialog.getByLabel('판매처 주소').fill('')
    await dialog.getByLabel('간식 이름').fill(taken.name)
    await dialog.getByLabel('가격').fill('1.5')
    await dialog.getByRole('button', { name: '간식 등록' }).click()
    await field('가격').getByText('이 통화에서 쓸 수 없는 자릿수입니다.').waitFor()
    await dialog.getByLabel('가격').fill('1500')
    await dialog.getByRole('button', { name: '간식 등록' }).click()
    await field('간식 이름').getByText('이미 등록된 간식 이름입니다.').waitFor()

    // The file is a picture by its name only.
    await dialog.getByLabel('간식 이름').fill(`가짜 사진 ${unique()}`)
    await dialog
      .locator('input[type=file]')
      .setInputFiles({ name: 'a.png', mimeType: 'image/png', buffer: Buffer.from('no picture') })
    await dialog.getByRole('button', { name: '간식 등록' }).click()
    await field('사진').getByRole('alert').waitFor()

    await expectText(field('사진').getByRole('alert'), 'PNG, JPEG, WebP, GIF 사진만 올릴 수 있습니다.')
  })

  it('is not possible with an invalid picture', async () => {
    const member = await newMember()
    const page = await open(member, '/snacks')
    const name = `사진 과자 ${unique()}`
    const registered = async () =>
      (await request<{ results: Snack[] }>('GET', `/snacks?search=${encodeURIComponent(name)}`, member.token)).results
    const posts: string[] = []
    page.on('request', (request) => {
      if (request.method() === 'POST' && request.url().endsWith('/snacks')) posts.push(request.url())
    })
    await page.getByRole('button', { name: '간식 등록' }).first().click()
    const dialog = page.getByRole('dialog')
    const picture = dialog.locator('input[type=file]')
    const alert = dialog.locator('.field', { hasText: '사진' }).getByRole('alert')
    const register = () => dialog.getByRole('button', { name: '간식 등록' }).click()
    await dialog.getByLabel('간식 이름').fill(name)
    await dialog.getByLabel('가격').fill('1500')

    // A valid picture that was chosen before is not used.
    await picture.setInputFiles({ name: 'good.png', mimeType: 'image/png', buffer: PNG })
    await picture.setInputFiles({ name: 'big.jpg', mimeType: 'image/jpeg', buffer: Buffer.alloc(5 * 1024 * 1024 + 1) })
    await expectText(alert, '사진은 5 MiB까지 올릴 수 있습니다.')
    await register()
    await expectText(alert, '사진은 5 MiB까지 올릴 수 있습니다.')
    await expect.poll(() => picture.evaluate((input) => input === document.activeElement)).toBe(true)
    expect(posts).toEqual([])

    // The server checks the content, not the type that the browser sends.
    for (const [file, buffer] of [
      ['photo.heic', Buffer.from('00000018667479706865696300000000', 'hex')],
      ['many-pixels.png', blankPng(8000, 6000)],
    ] as const) {
      await picture.setInputFiles({ name: file, mimeType: 'application/octet-stream', buffer })
      await alert.waitFor({ state: 'detached' })
      const answered = page.waitForResponse(
        (response) => response.request().method() === 'POST' && response.url().endsWith('/snacks'),
      )
      await register()
      const { detail, errors } = await (await answered).json()
      await expectText(alert, errors.find((error: { field: string }) => error.field === 'image')?.message ?? detail)
      expect(await dialog.getByRole('alert').count()).toBe(1)
      await expectText(dialog.locator('.file'), file)
      expect(await registered()).toEqual([])
    }

    await picture.setInputFiles({ name: 'photo.jpg', mimeType: 'image/jpg', buffer: PNG })
    await register()
    await toast(page, '등록했습니다').waitFor()
    expect((await registered()).map(({ image }) => image)).toEqual([expect.stringContaining('/media/')])
  })

  it('is possible after an invalid picture was removed', async () => {
    const member = await newMember()
    const page = await open(member, '/snacks')
    await page.getByRole('button', { name: '간식 등록' }).first().click()
    const dialog = page.getByRole('dialog')
    const name = `사진 없는 과자 ${unique()}`
    await dialog.getByLabel('간식 이름').fill(name)
    await dialog.getByLabel('가격').fill('1500')
    await dialog
      .locator('input[type=file]')
      .setInputFiles({ name: 'big.jpg', mimeType: 'image/jpeg', buffer: Buffer.alloc(6 * 1024 * 1024) })
    await dialog.getByRole('alert').waitFor()
    await dialog.getByRole('button', { name: '사진 삭제' }).click()
    await dialog.getByRole('alert').waitFor({ state: 'detached' })
    await dialog.getByRole('button', { name: '간식 등록' }).click()
    await toast(page, '등록했습니다').waitFor()
  })

  it.each([
    ['1500원', '1500', 'KRW'],
    ['１，５００', '1500', 'KRW'],
    ['US$3.99', '3.99', 'USD'],
    ['300円', '300', 'JPY'],
  ] as const)('accepts the price %s', async (typed, price, currency) => {
    const member = await newMember()
    const page = await open(member, '/snacks')
    await page.getByRole('button', { name: '간식 등록' }).first().click()
    const dialog = page.getByRole('dialog')
    const name = `비싼 과자 ${unique()}`
    await dialog.getByLabel('간식 이름').fill(name)
    await dialog.getByLabel('가격').fill('1,50')
    await dialog.getByLabel('가격').press('Enter')
    await dialog.locator('.field', { hasText: '가격' }).getByText('올바른 금액이 아닙니다.').waitFor()
    await dialog.getByLabel('가격').fill(typed)
    await dialog.getByLabel('가격').press('Enter')
    await toast(page, '등록했습니다').waitFor()
    const { results } = await request<{ results: Snack[] }>(
      'GET',
      `/snacks?search=${encodeURIComponent(name)}`,
      member.token,
    )
    expect(results).toMatchObject([{ price, currency }])
  })

  it('chooses the currency that the price names', async () => {
    const page = await open(await newMember(), '/snacks')
    await page.getByRole('button', { name: '간식 등록' }).first().click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('가격').fill('$3.99')
    await dialog.getByLabel('가격').press('Tab')
    await expect.poll(() => dialog.getByLabel('통화').inputValue()).toBe('USD')
    expect(await dialog.getByLabel('가격').inputValue()).toBe('3.99')
  })

  it('extracts the link from a pasted text', async () => {
    const page = await open(await newMember(), '/snacks', { permissions: ['clipboard-read', 'clipboard-write'] })
    await page.getByRole('button', { name: '간식 등록' }).first().click()
    const url = page.getByRole('dialog').getByLabel('판매처 주소')
    await url.fill('https://')
    await page.evaluate(() => navigator.clipboard.writeText('[쿠팡] 새우깡\nhttps://link.coupang.com/a/bAbC\n이거요'))
    await url.press('Control+V')
    expect(await url.inputValue()).toBe('https://link.coupang.com/a/bAbC')
    await url.fill('www.coupang.com/np/1')
    await url.press('Tab')
    expect(await url.inputValue()).toBe('https://www.coupang.com/np/1')
    // A text without a link is not changed.
    await page.evaluate(() => navigator.clipboard.writeText('새우깡'))
    await url.fill('')
    await url.press('Control+V')
    expect(await url.inputValue()).toBe('새우깡')
  })

  it('rejects a name that is too long instead of cutting it off', async () => {
    const page = await open(await newMember(), '/snacks')
    await page.getByRole('button', { name: '간식 등록' }).first().click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('간식 이름').fill('가'.repeat(129))
    await dialog.getByLabel('가격').fill('1500')
    await dialog.getByRole('button', { name: '간식 등록' }).click()
    await dialog.locator('.field', { hasText: '간식 이름' }).locator('.field-error').waitFor()
    expect(await dialog.getByLabel('간식 이름').inputValue()).toHaveLength(129)
  })

  it('can be corrected by the user who registered it and by admins', async () => {
    const owner = await newMember()
    const snack = await request<Snack>('POST', '/snacks', owner.token, { name: `내 과자 ${unique()}`, price: '1000' })
    const page = await openSnack(owner, snack)
    await card(page, snack)
      .getByRole('button', { name: `${snack.name} 수정` })
      .click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('가격').fill('')
    await dialog.getByRole('button', { name: '저장' }).click()
    await dialog.locator('.field', { hasText: '가격' }).getByText('필수 항목입니다.').waitFor()
    await dialog.getByLabel('가격').fill('1200')
    await dialog.locator('input[type=file]').setInputFiles({ name: 'snack.png', mimeType: 'image/png', buffer: PNG })
    await dialog.getByRole('button', { name: '저장' }).click()
    await expectText(card(page, snack), /₩1,200/)
    await card(page, snack).locator('img').waitFor()

    await card(page, snack)
      .getByRole('button', { name: `${snack.name} 수정` })
      .click()
    await dialog.getByRole('button', { name: '사진 삭제' }).click()
    await dialog.getByRole('button', { name: '저장' }).click()
    await card(page, snack).locator('img').waitFor({ state: 'detached' })
    expect((await request<Snack>('GET', `/snacks/${snack.uid}`, owner.token)).image).toBeNull()

    const stranger = await openSnack(await newMember(), snack)
    expect(await card(stranger, snack).getByRole('button', { name: /수정/ }).count()).toBe(0)
    const boss = await openSnack(await newAdmin(), snack)
    expect(await card(boss, snack).getByRole('button', { name: /수정/ }).count()).toBe(1)
  })
})
