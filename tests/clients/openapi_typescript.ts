/** The client of openapi-fetch with the types that openapi-typescript makes, at work. */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import createClient from 'openapi-fetch'
import type { components, paths } from './generated/schema'
import { PNG, isPicture } from './picture'

async function main(): Promise<void> {
  const client = createClient<paths>({ baseUrl: process.env.BASE_URL ?? '' })
  const email = `${randomUUID()}@snack.example`
  const password = 'korea-snack-9'

  const signUp = await client.POST('/auth/sign-up', { body: { email, password, name: '김간식' } })
  assert.equal(signUp.data?.email, email)
  const refused = await client.POST('/auth/token', {
    body: { username: email, password: 'another-snack-9' },
    params: { header: { 'Accept-Language': 'en' } },
  })
  const problem: components['schemas']['Problem'] | undefined = refused.error
  assert.equal(problem?.code, 'invalid_credentials')
  assert.equal(problem.detail, 'The email or the password is wrong.')
  const signIn = await client.POST('/auth/token', { body: { username: email, password } })
  assert.ok(signIn.data)
  const { access } = signIn.data
  client.use({
    onRequest({ request }) {
      request.headers.set('Authorization', `Bearer ${access}`)
    },
  })

  const page = await client.GET('/snacks', { params: { query: { limit: 5, ordering: 'name' } } })
  // The list may also be CSV.
  assert.ok(typeof page.data === 'object')
  assert.equal(page.data.results.length, 5)
  const cursor: string | null = page.data.next_cursor
  assert.ok(cursor)

  // A price as a number, with the digits that the document allows.
  const name = `clients ${randomUUID()}`
  const registered = await client.POST('/snacks', { body: { name, price: 3.99, currency: 'USD' } })
  assert.equal(registered.response.status, 201)
  assert.equal(registered.data?.price, '3.99')
  const pictured = await client.PATCH('/snacks/{uid}', {
    params: { path: { uid: registered.data.uid } },
    body: {},
    bodySerializer() {
      const form = new FormData()
      form.set('image', new Blob([PNG]), 'snack.png')
      return form
    },
  })
  const image = pictured.data?.image
  assert.ok(image)

  const picture = await client.GET('/media/{path}', {
    params: { path: { path: image.replace('/media/', '') } },
    parseAs: 'arrayBuffer',
  })
  assert.ok(picture.data && isPicture(new Uint8Array(picture.data)))

  const csv = await client.GET('/statistics/snacks', { headers: { Accept: 'text/csv' }, parseAs: 'text' })
  assert.match(csv.data ?? '', /^\ufeff?uid,name,order_count,/)
  console.log('openapi-typescript: signed in, listed, registered, uploaded, read a picture and a CSV file')
}

main().catch((error: unknown) => {
  console.error(error)
  process.exitCode = 1
})
