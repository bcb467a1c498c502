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
  react,
  request,
  settled,
  toast,
  unique,
  useBrowser,
  type Person,
  type Snack,
} from './harness'

const { open } = useBrowser()

const like = (page: Page, snack: Snack) => card(page, snack).getByRole('button', { name: '좋아요' })
const hate = (page: Page, snack: Snack) => card(page, snack).getByRole('button', { name: '싫어요' })
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

async function pressed(button: { getAttribute(name: string): Promise<string | null> }, is: boolean): Promise<void> {
  await expect.poll(() => button.getAttribute('aria-pressed')).toBe(String(is))
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

describe('the snack list', () => {
  it('searches, sorts and filters in its address', async () => {
    const mark = unique()
    const cheap = await newSnack({ name: `${mark} 싼 과자`, price: '500' })
    const dear = await newSnack({ name: `${mark} 비싼 과자`, price: '5000' })
    const member = await newMember()
    const page = await open(member, '/snacks')
    await page.getByLabel('검색').pressSequentially(mark)
    await expect.poll(() => page.locator('li.snack').count()).toBe(2)
    await page.getByLabel('정렬').selectOption({ label: '가격 높은 순' })
    await expect.poll(() => page.locator('li.snack h2').allInnerTexts()).toEqual([dear.name, cheap.name])
    await page.getByLabel('정렬').selectOption({ label: '가격 낮은 순' })
    await expect.poll(() => page.locator('li.snack h2').allInnerTexts()).toEqual([cheap.name, dear.name])

    await page.reload()
    await expect.poll(() => page.locator('li.snack h2').allInnerTexts()).toEqual([cheap.name, dear.name])
    expect(await page.getByLabel('검색').inputValue()).toBe(mark)

    await page.getByLabel('검색').fill(`${mark} 없는`)
    await expectText(page.locator('.empty'), `“${mark} 없는”에 맞는 간식이 없습니다.`)
  })

  it('loads more snacks on request, until the end', async () => {
    const page = await open(await newMember(), '/snacks')
    const first = await page.locator('li.snack').count()
    expect(first).toBe(24)
    const more = page.getByRole('button', { name: '더 보기' })
    await more.press('Enter')
    await expect.poll(() => page.locator('li.snack').count()).toBeGreaterThan(first)
    const end = page.getByText(/^총 \d+개$/)
    const goOn = async () => {
      if (await more.isVisible()) await more.press('Enter')
      return end.isVisible()
    }
    await expect.poll(goOn, { timeout: 20_000 }).toBe(true)
    const names = await page.locator('li.snack h2').allInnerTexts()
    expect(new Set(names).size).toBe(names.length)
    expect(await end.innerText()).toBe(`총 ${names.length}개`)
    // The focus moves from the removed button to the end.
    await expect.poll(() => end.evaluate((element) => element === document.activeElement)).toBe(true)
  })

  it('shows an error and retries', async () => {
    const page = await open(await newMember())
    await page.route('**/snacks?**', (route) => route.fulfill({ status: 500, body: 'oh no' }))
    await page.getByRole('link', { name: '간식', exact: true }).click()
    const failed = page.getByRole('alert')
    await expectText(failed, '알 수 없는 문제가 발생했습니다.')
    await page.unroute('**/snacks?**')
    await failed.getByRole('button', { name: '다시 시도' }).click()
    await page.locator('li.snack').first().waitFor()
  }, 30_000)

  it('lets only admins make a snack unavailable', async () => {
    const snack = await newSnack()
    const boss = await openSnack(await newAdmin(), snack)
    const available = card(boss, snack).getByRole('switch', { name: `${snack.name} 주문 가능` })
    await available.click()
    const message = toast(boss, '주문 불가로 변경했습니다')
    await message.waitFor()
    // The list shows available snacks only.
    await card(boss, snack).waitFor({ state: 'detached' })
    await message.getByRole('button', { name: '되돌리기' }).click()
    await card(boss, snack).waitFor()
    await boss.getByLabel('상태').selectOption({ label: '전체' })
    await expect.poll(() => boss.url()).toContain('status=all')
    await settled(boss)
    await available.click()
    await expect.poll(() => available.isChecked()).toBe(false)
    expect(
      await card(boss, snack)
        .getByRole('button', { name: `${snack.name} 담기` })
        .count(),
    ).toBe(0)

    const member = await open(await newMember())
    await member.goto(appUrl(at(snack)))
    await member.locator('.empty').waitFor()
    await member.getByLabel('상태').selectOption({ label: '주문 불가' })
    await card(member, snack).waitFor()
    expect(await card(member, snack).getByRole('switch').count()).toBe(0)

    await available.click()
    await toast(boss, '주문 가능으로 변경했습니다').waitFor()
    await member.getByLabel('상태').selectOption({ label: '주문 가능' })
    await settled(member)
    expect((await request<Snack>('GET', `/snacks/${snack.uid}`, (await newMember()).token)).status).toBe('available')
  })

  it('links to the page of each snack', async () => {
    const snack = await newSnack()
    const page = await openSnack(await newMember(), snack)
    await card(page, snack).getByRole('link', { name: snack.name, exact: true }).click()
    const heading = page.getByRole('heading', { name: snack.name, level: 1 })
    await heading.waitFor()
    await page.getByText('바삭합니다').waitFor()
    await page.getByRole('button', { name: '좋아요' }).click()
    await pressed(page.getByRole('button', { name: '좋아요' }), true)
  })
})

describe('a reaction', () => {
  it('is shown at once, corrected by the response and removed by a button', async () => {
    const snack = await newSnack()
    const page = await openSnack(await newMember(), snack)
    // Another user reacts meanwhile.
    await react(await newMember(), snack, 'like')

    let release = () => {}
    const held = new Promise<void>((resolve) => (release = resolve))
    await page.route('**/reaction', async (route) => {
      await held
      await route.continue()
    })
    await like(page, snack).click()
    await pressed(like(page, snack), true)
    await expectText(like(page, snack), '1')
    release()
    await expectText(like(page, snack), '2')

    // A second like is rejected with the server's message.
    await like(page, snack).click()
    const message = toast(page, '중복해서 reaction 을 남길 수 없습니다.')
    await message.waitFor()
    await pressed(like(page, snack), true)
    await expectText(like(page, snack), '2')
    await message.getByRole('button', { name: '좋아요 취소' }).click()
    await toast(page, '좋아요를 취소했습니다.').waitFor()
    await message.waitFor({ state: 'detached' })
    await pressed(like(page, snack), false)
    await expectText(like(page, snack), '1')
    await expect
      .poll(
        async () =>
          (await request<Snack>('GET', `/snacks/${snack.uid}`, (await newMember()).token)).like_reaction_count,
      )
      .toBe(1)
  })

  it('changes to the other one, and the last of many quick clicks counts', async () => {
    const snack = await newSnack()
    const member = await newMember()
    const page = await openSnack(member, snack)
    await like(page, snack).click()
    await hate(page, snack).click()
    await pressed(hate(page, snack), true)
    await pressed(like(page, snack), false)
    await expectText(hate(page, snack), '1')
    await expectText(like(page, snack), '0')

    for (let press = 0; press < 5; press += 1) await like(page, snack).click()
    await pressed(like(page, snack), true)
    await expect
      .poll(async () => (await request<Snack>('GET', `/snacks/${snack.uid}`, member.token)).my_reaction, {
        timeout: 10_000,
      })
      .toBe('like')
    await pressed(like(page, snack), true)
    await expectText(like(page, snack), '1')
    await expectText(hate(page, snack), '0')
  })

  it('is undone without a response', async () => {
    const snack = await newSnack()
    const page = await openSnack(await newMember(), snack)
    await page.route('**/reaction', (route) => route.abort())
    await page.route(`**/snacks/${snack.uid}`, (route) => route.abort())
    await like(page, snack).click()
    await toast(page, '서버에 연결할 수 없습니다').waitFor()
    await pressed(like(page, snack), false)
    await expectText(like(page, snack), '0')
  })

  it('in two browsers of one user ends in the same state', async () => {
    const snack = await newSnack()
    const member = await newMember()
    const [here, there] = [await openSnack(member, snack), await openSnack(member, snack)]
    await like(here, snack).click()
    await pressed(like(here, snack), true)
    await expect
      .poll(async () => (await request<Snack>('GET', `/snacks/${snack.uid}`, member.token)).my_reaction)
      .toBe('like')

    await like(there, snack).click()
    await toast(there, '중복해서 reaction 을 남길 수 없습니다.').waitFor()
    await pressed(like(there, snack), true)
    await expectText(like(there, snack), '1')

    await like(here, snack).click()
    await toast(here, '중복해서').getByRole('button', { name: '좋아요 취소' }).click()
    await pressed(like(here, snack), false)
    await expect
      .poll(async () => (await request<Snack>('GET', `/snacks/${snack.uid}`, member.token)).my_reaction)
      .toBeNull()
    await toast(there, '중복해서').getByRole('button', { name: '좋아요 취소' }).click()
    await toast(there, '취소할 reaction 이 없습니다.').waitFor()
    await pressed(like(there, snack), false)
    await expectText(like(there, snack), '0')
  })

  it('of hate can be removed by keyboard, with a message in English', async () => {
    const snack = await newSnack()
    const page = await openSnack(await newMember(), snack)
    await page.getByRole('button', { name: 'English' }).click()
    const button = card(page, snack).getByRole('button', { name: 'Hate' })
    await button.click()
    await pressed(button, true)
    await button.press('Enter')
    await toast(page, 'You have left this reaction already.').waitFor()
    // F8 focuses the messages.
    await page.keyboard.press('F8')
    const remove = page.getByRole('button', { name: 'Remove my hate' })
    for (let press = 0; press < 3; press += 1) {
      if (await remove.evaluate((element) => element === document.activeElement)) break
      await page.keyboard.press('Tab')
    }
    await page.keyboard.press('Enter')
    await toast(page, 'Your hate has been removed.').waitFor()
    await pressed(button, false)
  })

  it('is not removed by the button of an old message', async () => {
    const snack = await newSnack()
    const member = await newMember()
    const page = await openSnack(member, snack)
    await like(page, snack).click()
    await like(page, snack).click()
    await toast(page, '중복해서').waitFor()
    await hate(page, snack).click()
    // Before the message would disappear by itself.
    await toast(page, '중복해서').waitFor({ state: 'detached', timeout: 4000 })
    await expect
      .poll(async () => (await request<Snack>('GET', `/snacks/${snack.uid}`, member.token)).my_reaction)
      .toBe('hate')
  })

  it('of two users at once counts twice', async () => {
    const snack = await newSnack()
    const [one, other] = [await openSnack(await newMember(), snack), await openSnack(await newMember(), snack)]
    await Promise.all([like(one, snack).click(), like(other, snack).click()])
    await Promise.all([pressed(like(one, snack), true), pressed(like(other, snack), true)])
    for (const page of [one, other]) {
      await page.goto(appUrl(`/snacks/${snack.uid}`))
      await expectText(page.getByRole('button', { name: '좋아요' }), '2')
    }
  })
})
