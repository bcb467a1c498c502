// What can be had: the open order of a snack, the filter, new snacks, and the search.
import type { Locator, Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'

import {
  PHONE,
  appUrl,
  card,
  expectText,
  moveOrder,
  newAdmin,
  newMember,
  networkIdle,
  newOrder,
  newSnack,
  request,
  settled,
  toast,
  unique,
  useBrowser,
  type Order,
  type Person,
  type Snack,
  withoutStream,
} from './harness'

const { newContext, open } = useBrowser()

const at = (snack: Snack, query = '') => `/snacks?search=${encodeURIComponent(snack.name)}${query}`
const orderable = (page: Page) => page.getByRole('switch', { name: '지금 주문 가능', exact: true })
const bar = (page: Page) => page.getByRole('region', { name: '주문할 간식' })
const newRow = (page: Page) => page.getByRole('region', { name: '새로 나온 간식' })
const follow = (within: Locator, snack: Snack) => within.getByRole('button', { name: `${snack.name} 나도 원해요` })
const isFocused = (locator: Locator) => locator.evaluate((element) => element === document.activeElement)

async function openList(person: Person, path: string): Promise<Page> {
  const page = await open(person)
  await page.goto(appUrl(path))
  await settled(page)
  return page
}

const fetched = (order: Order, person: Person) => request<Order>('GET', `/orders/${order.uid}`, person.token)

describe('a snack on order', () => {
  it('says who has ordered it and how far it is, and can be wanted instead of ordered', async () => {
    const [owner, member] = [await newMember(), await newMember()]
    const snack = await newSnack()
    const order = await newOrder(owner, [snack])
    await moveOrder(order, 'approved')
    const page = await openList(member, at(snack, '&status=all'))
    const shown = card(page, snack)
    await expectText(shown, new RegExp(`${owner.name} 님이 주문함\\s*승인 완료`))
    expect(await shown.getByRole('button', { name: /담기/ }).count()).toBe(0)

    const wanted = follow(shown, snack)
    expect(await wanted.getAttribute('aria-pressed')).toBe('false')
    await wanted.click()
    await expect.poll(() => wanted.getAttribute('aria-pressed')).toBe('true')
    expect(await fetched(order, member)).toMatchObject({ follower_count: 1, followed_by_me: true })
    await page.reload()
    await expect.poll(() => wanted.getAttribute('aria-pressed')).toBe('true')
    await wanted.press('Enter')
    await expect.poll(() => wanted.getAttribute('aria-pressed')).toBe('false')
    expect((await fetched(order, member)).follower_count).toBe(0)

    await shown.getByRole('link', { name: /님이 주문함/ }).click()
    await page.waitForURL(appUrl(`/orders/${order.uid}`))
    // The page of the snack says the same.
    await page.goto(appUrl(`/snacks/${snack.uid}`))
    await expectText(page.getByRole('link', { name: /님이 주문함/ }), owner.name)
    await follow(page.locator('main'), snack).waitFor()
  })

  it("cannot be wanted by its order's owner", async () => {
    const owner = await newMember()
    const snack = await newSnack()
    await newOrder(owner, [snack])
    const page = await openList(owner, at(snack, '&status=all'))
    await expectText(card(page, snack), /내가 주문함\s*승인 대기/)
    expect(await follow(card(page, snack), snack).count()).toBe(0)
  })

  it('can be ordered again when it is on its way, and a late wish says so', async () => {
    const [owner, member] = [await newMember(), await newMember()]
    const snack = await newSnack()
    const order = await newOrder(owner, [snack])
    const page = await openList(member, at(snack, '&status=all'))
    await withoutStream(page)
    await follow(card(page, snack), snack).waitFor()
    await moveOrder(order, 'canceled')
    await follow(card(page, snack), snack).click()
    await page.locator('.toast-problem').waitFor()
    await card(page, snack)
      .getByRole('button', { name: `${snack.name} 담기` })
      .waitFor()
  })
})

describe('the filter of what can be ordered', () => {
  it('is on by default and kept in the address', async () => {
    const mark = unique()
    const [free, taken, gone] = await Promise.all(
      ['하나', '둘', '셋'].map((name) => newSnack({ name: `${mark} ${name}` })),
    )
    await newOrder(await newMember(), [taken!])
    await request('PUT', `/snacks/${gone!.uid}/status`, (await newAdmin()).token, { status: 'unavailable' })
    const page = await openList(await newMember(), `/snacks?search=${mark}&ordering=name`)
    const names = () => page.locator('li.snack h2').allInnerTexts()
    expect(await orderable(page).isChecked()).toBe(true)
    expect(await names()).toEqual([free!.name])
    expect(await page.getByLabel('상태').count()).toBe(0)

    await orderable(page).click()
    await expect.poll(async () => new Set(await names())).toEqual(new Set([free!.name, taken!.name, gone!.name]))
    await page.getByLabel('상태').selectOption({ label: '주문 중' })
    await expect.poll(names).toEqual([taken!.name])
    await page.getByLabel('상태').selectOption({ label: '주문 불가' })
    await expect.poll(names).toEqual([gone!.name])
    await page.reload()
    await settled(page)
    expect(await names()).toEqual([gone!.name])
    expect(await orderable(page).isChecked()).toBe(false)

    await orderable(page).click()
    await expect.poll(names).toEqual([free!.name])
    expect(page.url()).not.toContain('status')
  })

  it('is behind a button on a phone, with the other filters', async () => {
    const page = await open(await newMember(), '/snacks', PHONE)
    const filters = page.getByRole('button', { name: '필터·정렬', exact: true })
    await filters.waitFor()
    expect(await orderable(page).isVisible()).toBe(false)
    await filters.tap()
    await orderable(page).tap()
    await page.getByRole('button', { name: '필터·정렬 1개 적용 중' }).waitFor()
    await page.getByLabel('상태').waitFor()
  })

  it('does not hide that a snack exists', async () => {
    const snack = await newSnack()
    await newOrder(await newMember(), [snack])
    const page = await openList(await newMember(), at(snack))
    await expectText(page.locator('.empty'), `“${snack.name}”에 맞는 간식이 없습니다.`)
    await page.locator('.empty').getByRole('button', { name: '주문할 수 없는 간식도 보기' }).click()
    await follow(card(page, snack), snack).waitFor()
  })
})

describe('the card of a snack', () => {
  it('shows the description and the shop on a phone too', async () => {
    const boss = await newAdmin()
    const snack = await newSnack()
    await request('PATCH', `/snacks/${snack.uid}`, boss.token, { url: 'https://www.shop.example/a' })
    const page = await open(boss, '/snacks', PHONE)
    await page.goto(appUrl(at(snack)))
    const shown = card(page, snack)
    await shown.getByText('바삭합니다').waitFor()
    await shown.getByRole('link', { name: `${snack.name} 판매처 shop.example (새 창)` }).waitFor()
  })
})

describe('new snacks', () => {
  it('are in a row of their own at the top of the unfiltered list', async () => {
    const snack = await newSnack()
    const page = await openList(await newMember(), '/snacks')
    const shown = newRow(page).locator('li').filter({ hasText: snack.name })
    await shown.waitFor()
    const [row, list] = [(await newRow(page).boundingBox())!, (await page.locator('li.snack').first().boundingBox())!]
    expect(row.y + row.height).toBeLessThanOrEqual(list.y)
    await shown.getByRole('button', { name: `${snack.name} 담기` }).click()
    await expectText(bar(page), /1가지, 1개/)

    await page.getByLabel('검색').fill(snack.name)
    await newRow(page).waitFor({ state: 'detached' })
    await card(page, snack).waitFor()
    await page.getByLabel('검색').fill('')
    await newRow(page).waitFor()
    await page.getByLabel('정렬').selectOption({ label: '이름순' })
    await newRow(page).waitFor({ state: 'detached' })
  })

  it('are new for a week', async () => {
    const snack = await newSnack()
    const context = await newContext()
    const page = await context.newPage()
    // The server's clock stays, and the browser's is six days and then eight days ahead.
    for (const [days, isShown] of [
      [6, true],
      [8, false],
    ] as const) {
      await page.route('**/snacks?**', async (route) => {
        const response = await route.fetch()
        const body = await response.json()
        for (const row of body.results) {
          const age = row.uid === snack.uid ? days : 30
          row.created_at = new Date(Date.now() - age * 24 * 60 * 60 * 1000).toISOString()
        }
        await route.fulfill({ response, json: body })
      })
      if (days === 6) {
        const member = await newMember()
        await page.goto(appUrl('/sign-in?returnTo=/snacks'))
        await page.getByLabel('이메일').fill(member.email)
        await page.getByLabel('비밀번호').fill(member.password)
        await page.getByRole('button', { name: '로그인' }).click()
        await page.waitForURL(appUrl('/snacks'))
      } else {
        await page.reload()
      }
      await page.locator('li.snack').first().waitFor()
      await settled(page)
      expect([days, await newRow(page).count()]).toEqual([days, isShown ? 1 : 0])
      if (isShown) expect(await newRow(page).locator('li').count()).toBe(1)
      await page.unroute('**/snacks?**')
    }
  })

  it.each(['/snacks', '/snacks?search=%EC%97%86%EB%8A%94%20%EA%B3%BC%EC%9E%90'])(
    'are one press away from the order after they were registered, at %s',
    async (path) => {
      const page = await openList(await newMember(), path)
      await page.getByRole('button', { name: '간식 등록' }).first().click()
      const dialog = page.getByRole('dialog')
      const name = `막 등록한 과자 ${unique()}`
      await dialog.getByLabel('간식 이름').fill(name)
      await dialog.getByLabel('가격').fill('1500')
      await dialog.getByLabel('가격').press('Enter')
      const add = newRow(page).getByRole('button', { name: `${name} 담기` })
      await add.waitFor()
      await expect.poll(() => isFocused(add)).toBe(true)
      await page.keyboard.press('Enter')
      await expectText(bar(page), /1가지, 1개/)
    },
  )
})

describe('a name that is taken', () => {
  it('leads to the snack that has it', async () => {
    const snack = await newSnack({ name: `Taken ${unique()}` })
    await newSnack({ name: `${snack.name} 매운맛` })
    await request('PUT', `/snacks/${snack.uid}/status`, (await newAdmin()).token, { status: 'unavailable' })
    const page = await open(await newMember(), '/snacks')
    await page.getByRole('button', { name: '간식 등록' }).first().click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('간식 이름').fill(`  ${snack.name.toUpperCase().replace(' ', '   ')} `)
    await dialog.getByLabel('가격').fill('1500')
    await dialog.getByLabel('가격').press('Enter')
    await dialog.getByText('이미 등록된 간식 이름입니다.').waitFor()
    await dialog.getByRole('link', { name: `“${snack.name}” 간식 보기` }).click()
    await page.waitForURL(appUrl(`/snacks/${snack.uid}`))
    await dialog.waitFor({ state: 'detached' })
  })
})

describe('the search', () => {
  it('follows the typing, keeps the focus, and announces the result', async () => {
    const mark = unique()
    const [first] = await Promise.all(['새우깡', '감자깡'].map((name) => newSnack({ name: `${mark} ${name}` })))
    const page = await openList(await newMember(), `/snacks?search=${mark}`)
    const field = page.getByLabel('검색')
    await field.press('End')
    // A space at the end is not searched for, but it stays while the next word is typed.
    await field.pressSequentially(' 새우 ')
    await expect.poll(() => page.locator('li.snack h2').allInnerTexts()).toEqual([first!.name])
    expect(await isFocused(field)).toBe(true)
    await expectText(page.locator('.paged > [role=status]'), '1개를 불러왔습니다.')

    expect(new URL(page.url()).searchParams.get('search')).toBe(`${mark} 새우`)
    expect(await field.inputValue()).toBe(`${mark} 새우 `)

    await field.fill(`${mark} 없는`)
    await page.locator('.empty').waitFor()
    await expectText(page.locator('.paged > [role=status]'), `“${mark} 없는”에 맞는 간식이 없습니다.`)
    expect(await isFocused(field)).toBe(true)
  })

  it('finds Hangul by its letters and initial consonants', async () => {
    const mark = unique()
    const snack = await newSnack({ name: `새우깡 ${mark}` })
    const page = await openList(await newMember(), '/snacks')
    for (const typed of ['새우ㄲ', '새우까', 'ㅅㅇㄲ']) {
      await page.getByLabel('검색').fill(`${mark} ${typed}`)
      await expect.poll(() => page.locator('li.snack h2').allInnerTexts()).toEqual([snack.name])
    }
  })

  it('never shows an earlier response in place of a later one', async () => {
    const mark = unique()
    const [first, second] = [await newSnack({ name: `${mark} 가나` }), await newSnack({ name: `${mark} 다라` })]
    const page = await openList(await newMember(), '/snacks')
    const held: (() => void)[] = []
    const sent = new Set<string>()
    await page.route('**/snacks?**', async (route) => {
      const search = new URL(route.request().url()).searchParams.get('search') ?? ''
      sent.add(search)
      if (search === `${mark} 가`) await new Promise<void>((resolve) => held.push(resolve))
      await route.continue().catch(() => undefined)
    })
    const field = page.getByLabel('검색')
    await field.fill(`${mark} 가`)
    await expect.poll(() => held.length).toBe(1)
    await field.fill(`${mark} 다`)
    await card(page, second).waitFor()
    await expect.poll(() => page.locator('li.snack').count()).toBe(1)
    held[0]!()
    // The held response has had its time when a further one has come.
    await field.fill(`${mark} 다라`)
    await expect.poll(() => sent.has(`${mark} 다라`)).toBe(true)
    await settled(page)
    expect(await page.locator('li.snack h2').allInnerTexts()).toEqual([second.name])
    expect(first.name).not.toBe(second.name)
  })
})

describe('the dialog of the cart', () => {
  const line = (dialog: Locator, snack: Snack) => dialog.locator('li.line').filter({ hasText: snack.name })

  /** Opens the list with `snacks` in the cart. */
  async function openCart(member: Person, mark: string, snacks: Snack[]): Promise<{ page: Page; dialog: Locator }> {
    const page = await openList(member, `/snacks?search=${mark}`)
    for (const snack of snacks) await card(page, snack).getByRole('button', { name: /담기/ }).click()
    return { page, dialog: page.getByRole('dialog') }
  }

  async function newSnacks(count: number): Promise<{ mark: string; snacks: Snack[] }> {
    const mark = unique()
    const names = Array.from({ length: count }, (_, index) => `${mark} 과자 ${index + 1}`)
    return { mark, snacks: await Promise.all(names.map((name) => newSnack({ name }))) }
  }

  it('says before the order what cannot be had, and present prices', async () => {
    const { mark, snacks } = await newSnacks(3)
    const [free, taken, gone] = snacks as [Snack, Snack, Snack]
    const [owner, member, boss] = [await newMember(), await newMember(), await newAdmin()]
    const { page, dialog } = await openCart(member, mark, snacks)
    await newOrder(owner, [taken])
    await request('PUT', `/snacks/${gone.uid}/status`, boss.token, { status: 'unavailable' })
    await request('PATCH', `/snacks/${free.uid}`, boss.token, { price: '9900' })
    await bar(page).getByRole('button', { name: '주문하기' }).click()
    await expectText(line(dialog, taken), new RegExp(`${owner.name} 님이 이미 주문했습니다\\.`))
    await expectText(line(dialog, gone), /지금은 주문할 수 없는 간식입니다\./)
    await expectText(line(dialog, free), /₩9,900/)
    await expectText(dialog.getByRole('alert'), '지금 주문할 수 없는 간식이 있습니다.')
    await dialog.getByRole('button', { name: '주문할 수 없는 간식 빼기' }).click()
    await expect.poll(() => dialog.locator('li.line').count()).toBe(1)
    expect(await dialog.getByRole('alert').count()).toBe(0)
    await expectText(dialog.locator('.totals'), /₩9,900/)
  })

  it('names the open order after a rejection, with a link and "I want this too"', async () => {
    const { mark, snacks } = await newSnacks(2)
    const [free, taken] = snacks as [Snack, Snack]
    const [owner, member] = [await newMember(), await newMember()]
    const { page, dialog } = await openCart(member, mark, snacks)
    await bar(page).getByRole('button', { name: '주문하기' }).click()
    // The check at the opening is over.
    await networkIdle(page)
    const order = await newOrder(owner, [taken])
    // The rejection alone names the order.
    await page.route(`**/snacks/${taken.uid}`, (route) => route.abort())
    await dialog.getByRole('button', { name: '주문하기' }).click()
    await expectText(dialog.getByRole('alert'), '이미 주문 중인 간식이 있습니다.')
    const link = line(dialog, taken).getByRole('link', { name: '주문 보기' })
    expect(await link.getAttribute('href')).toBe(`/app/orders/${order.uid}`)
    await follow(line(dialog, taken), taken).click()
    await expect.poll(async () => (await fetched(order, member)).followed_by_me).toBe(true)
    // The link leads there and Back leads to the list, where the cart is as it was.
    await link.click()
    await page.waitForURL(appUrl(`/orders/${order.uid}`))
    await dialog.waitFor({ state: 'detached' })
    await page.goBack()
    await page.waitForURL(appUrl(`/snacks?search=${mark}`))
    await bar(page).getByRole('button', { name: '주문하기' }).click()
    await dialog.getByRole('button', { name: `${taken.name} 빼기` }).click()
    await dialog.getByRole('button', { name: '주문하기' }).click()
    await page.waitForURL(/\/orders\/[0-9a-f-]{36}$/)
    await expectText(page.locator('.purchases'), free.name)
    // The list knows at once.
    await page.getByRole('link', { name: '간식', exact: true }).click()
    await expectText(newRow(page).locator('li').filter({ hasText: free.name }), /내가 주문함/)
  })

  it('sends a note, which is kept until the order', async () => {
    const { mark, snacks } = await newSnacks(1)
    const member = await newMember()
    const { page, dialog } = await openCart(member, mark, snacks)
    await bar(page).getByRole('button', { name: '주문하기' }).click()
    const note = dialog.getByLabel('메모')
    await note.fill('금요일 회의에\n쓸 간식입니다.')
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    await page.reload()
    await bar(page).getByRole('button', { name: '주문하기' }).click()
    expect(await note.inputValue()).toBe('금요일 회의에\n쓸 간식입니다.')

    await note.fill('가'.repeat(501))
    await dialog.getByRole('button', { name: '주문하기' }).click()
    await dialog.locator('.field', { hasText: '메모' }).locator('.field-error').waitFor()
    await expect.poll(() => isFocused(note)).toBe(true)
    await note.fill('금요일 회의에\n쓸 간식입니다.')
    await dialog.getByRole('button', { name: '주문하기' }).click()
    await page.waitForURL(/\/orders\/[0-9a-f-]{36}$/)
    const { results } = await request<{ results: Order[] }>('GET', '/orders?user=me', member.token)
    expect(results.map((order) => order.note)).toEqual(['금요일 회의에\n쓸 간식입니다.'])
  })
})

describe("a new member's first order", () => {
  it('takes five presses from the first page', async () => {
    const page = await (await newContext()).newPage()
    await page.goto(appUrl('/'))
    let presses = 0
    const press = async (button: Locator) => {
      await button.click()
      presses += 1
    }
    const started = Date.now()
    await press(page.getByRole('link', { name: '회원 가입' }))
    await page.getByLabel('이름').fill('새 회원')
    await page.getByLabel('이메일').fill(`${unique()}@example.com`)
    await page.getByLabel('비밀번호').fill('korea-snack-9')
    await press(page.getByRole('button', { name: '가입하기' }))
    await press(
      page
        .locator('li.snack')
        .getByRole('button', { name: / 담기$/ })
        .first(),
    )
    await press(bar(page).getByRole('button', { name: '주문하기' }))
    await press(page.getByRole('dialog').getByRole('button', { name: '주문하기' }))
    await page.waitForURL(/\/orders\/[0-9a-f-]{36}$/)
    await toast(page, '주문했습니다').waitFor()
    expect(presses).toBe(5)
    expect(Date.now() - started).toBeLessThan(60_000)
    await request('PUT', `/orders/${page.url().split('/').pop()}/status`, (await newAdmin()).token, {
      status: 'canceled',
    })
  })
})
