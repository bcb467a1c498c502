// An OpenID Connect provider for the tests: `node server.mjs REDIRECT_URI [OPTION=VALUE ...]`. Prints its port.
//
// Options: claims=id_token puts the claims of the scopes into the ID token instead of the userinfo endpoint; auth=METHOD is how the
// client authenticates at the token endpoint.
//
// A user signs in without a page: `login_hint` of the authorization request is the id of an account, or `cancel` for a user who cancels.
//   PUT /control/accounts/ID  sets the claims of an account
//   POST /control/rotate      replaces the signing keys
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { json } from 'node:stream/consumers'

// The port is the only line on standard output. The warnings are about production, and the first comes with the import.
console.info = console.log = console.warn = () => {}
const { Provider } = await import('oidc-provider')

const [redirectUri, ...pairs] = process.argv.slice(2)
const options = Object.fromEntries(pairs.map((pair) => pair.split('=')))
const accounts = new Map()

function start(issuer) {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const key = { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'RS256' }
    return new Provider(issuer, {
        jwks: { keys: [key] },
        clients: [
            {
                client_id: 'snack',
                client_secret: 'a client secret of the tests',
                redirect_uris: [redirectUri],
                token_endpoint_auth_method: options.auth ?? 'client_secret_basic',
            },
        ],
        clientAuthMethods: [options.auth ?? 'client_secret_basic'],
        claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'preferred_username'] },
        conformIdTokenClaims: options.claims !== 'id_token',
        cookies: { keys: ['a key of the tests'] },
        features: { devInteractions: { enabled: false } },
        pkce: { required: () => true },
        interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
        findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...accounts.get(id) }) }),
        // Nobody is asked for consent.
        async loadExistingGrant({ oidc }) {
            const grant = new oidc.provider.Grant({
                clientId: oidc.client.clientId,
                accountId: oidc.session.accountId,
            })
            grant.addOIDCScope('openid email profile')
            await grant.save()
            return grant
        },
    })
}

let provider
const server = createServer(async (request, response) => {
    const [, first, second, id] = request.url.split('/')
    if (first === 'control' && second === 'accounts') {
        accounts.set(decodeURIComponent(id), await json(request))
        response.end()
    } else if (first === 'control' && second === 'rotate') {
        provider = start(provider.issuer)
        response.end()
    } else if (first === 'interaction') {
        const { params } = await provider.interactionDetails(request, response)
        const accountId = params.login_hint
        const result = accountId === 'cancel' ? { error: 'access_denied' } : { login: { accountId } }
        await provider.interactionFinished(request, response, result)
    } else {
        provider.callback()(request, response)
    }
})
server.listen(0, '127.0.0.1', () => {
    const { port } = server.address()
    provider = start(`http://127.0.0.1:${port}`)
    process.stdout.write(`${port}\n`)
})
