/** One rule that binds the ingress: where it stands, and what it says in the words of that place. */
type Statement = { section: string; says: string }

/**
 * What protocol.md asks of the ingress, sentence by sentence, and the limits of reliability.md, section 2.1, that a
 * sender can meet. Every statement is protected by at least one case of conformance.test.ts.
 */
export const statements = {
  '1-store-before-s': {
    section: 'protocol 1',
    says: 'Any other validly signed body is stored raw and answered S, once durable.',
  },
  '1-never-for-content': {
    section: 'protocol 1',
    says: 'Refuse only for transport, headers, key or signature, or a body that is not one JSON object or is unroutable.',
  },
  '1-usable-id': {
    section: 'protocol 1',
    says: 'Usable = non-empty JSON string of any length; one of merchant id and request id is enough.',
  },
  '1-unroutable': {
    section: 'protocol 1',
    says: 'Unroutable: no usable referenceMerchantId and no usable registrationRequestId.',
  },
  '1-refused-is-kept': {
    section: 'protocol 1',
    says: 'Validly signed bodies that are refused go to the quarantine topic too, answered PARAM_ILLEGAL.',
  },
  '1-always-200': {
    section: 'protocol 1',
    says: 'Every answer is HTTP 200 with the result envelope.',
  },
  '1-signed-refusals': {
    section: 'protocol 1',
    says: 'Signed whenever the client is known and the path is one configured for it, F and U included.',
  },
  '1-check-order': {
    section: 'protocol 1',
    says: 'Path, method, media type, size, headers, client, key, signature, age limit, JSON object, routable, store.',
  },
  '2-always-sign': { section: 'protocol 2', says: 'Signed ack: always sign, for AMS too.' },
  '2-bodies': {
    section: 'protocol 2',
    says: 'AP: merchant id, status, productCodes per entry; AMS: all optional, no productCodes; PUSH: store.',
  },
  '2-own-path': { section: 'protocol 2', says: 'The path is ours, from the URL we gave at registration.' },
  '2-other-protocols': {
    section: 'protocol 2',
    says: 'Not this protocol: if validly signed, it follows section 1 and ends in quarantine.',
  },
  '3-header-names': {
    section: 'protocol 3',
    says: 'Names are case-insensitive; client-id does arrive in lower case.',
  },
  '3.1-client-id': { section: 'protocol 3.1', says: 'Client-Id, required: our id.' },
  '3.1-content-type-optional': {
    section: 'protocol 3.1',
    says: 'Content-Type, optional: application/json, charset or not.',
  },
  '3.1-log-only': { section: 'protocol 3.1', says: 'Agent-Token, tracerid: log only.' },
  '3.1-encrypt': { section: 'protocol 3.1', says: 'Encrypt: if non-empty, unsupported.' },
  '3.1-realistic-set': {
    section: 'protocol 3.1',
    says: 'Realistic AP set: no blank after commas, lower-case percent hex.',
  },
  '3.2-required': { section: 'protocol 3.2', says: 'Request-Time, required; else PARAM_ILLEGAL.' },
  '3.2-grammar': {
    section: 'protocol 3.2',
    says: '13 digits, or YYYY-MM-DDThh:mm:ss[.f{1,9}] with Z, ±hh:mm or ±hhmm; accept all from both dialects.',
  },
  '3.2-full-match': { section: 'protocol 3.2', says: 'Offset mandatory, capitals, no blanks; full match.' },
  '3.2-calendar': { section: 'protocol 3.2', says: 'A real calendar time, else PARAM_ILLEGAL.' },
  '3.2-age-is-a-flag': { section: 'protocol 3.2', says: 'Age is a flag, not a gate.' },
  '3.2-maximum-age': {
    section: 'protocol 3.2',
    says: 'An optional configured maximum age refuses with ACCESS_DENIED (raw kept in quarantine).',
  },
  '3.2-as-received': { section: 'protocol 3.2', says: 'Verify over the text as received.' },
  '3.3-any-order': { section: 'protocol 3.3', says: 'Params in any order, "," OWS between them.' },
  '3.3-unknown-keys': { section: 'protocol 3.3', says: 'Unknown keys ignored.' },
  '3.3-first-equals': { section: 'protocol 3.3', says: 'A param is split at the FIRST "=".' },
  '3.3-param-shape': { section: 'protocol 3.3', says: 'param = key "=" value.' },
  '3.3-algorithm': {
    section: 'protocol 3.3',
    says: 'algorithm = RSA256, any case; others (old ECC224) unsupported.',
  },
  '3.3-missing-algorithm': { section: 'protocol 3.3', says: 'Missing algorithm: RSA256.' },
  '3.3-missing-version': { section: 'protocol 3.3', says: 'keyVersion optional: newest key of the client.' },
  '3.3-version-digits': { section: 'protocol 3.3', says: 'keyVersion = 1*DIGIT.' },
  '3.3-versions': { section: 'protocol 3.3', says: 'keyVersion 0, 1, 2 all occur.' },
  '3.3-key-twice': { section: 'protocol 3.3', says: 'A known key twice: INVALID_SIGNATURE.' },
  '3.3-encodings': {
    section: 'protocol 3.3',
    says: 'signature = percent-encoded base64, or bare base64; percent hex in either case.',
  },
  '3.3-bad-text': {
    section: 'protocol 3.3',
    says: 'A bad escape, foreign letter or wrong length is INVALID_SIGNATURE, not an exception.',
  },
  '3.4-response-headers': {
    section: 'protocol 3.4',
    says: 'Content-Type: application/json; charset=UTF-8; client-id: the request’s; lower-case names.',
  },
  '3.4-response-time': {
    section: 'protocol 3.4',
    says: 'response-time: ISO 8601 with offset, whole seconds.',
  },
  '3.4-response-signature': {
    section: 'protocol 3.4',
    says: 'signature: algorithm=RSA256,keyVersion=<OUR key’s>,signature=<percent-encoded base64>.',
  },
  '4.1-signed-text': {
    section: 'protocol 4.1',
    says: 'M = "POST " + U + LF + C + "." + T + "." + B; one blank, one LF, two dots, nothing after the body.',
  },
  '4.1-query': { section: 'protocol 4.1', says: 'U: path with leading slash, plus the query as received.' },
  '4.1-never-guess': { section: 'protocol 4.1', says: 'Never guess, decode or fold slashes; no host.' },
  '4.1-public-path': {
    section: 'protocol 4.1',
    says: 'Behind a prefix-stripping proxy use the configured public path.',
  },
  '4.1-bytes': { section: 'protocol 4.1', says: 'B = body bytes as received; charset moot on bytes.' },
  '4.2-same-uri': { section: 'protocol 4.2', says: 'The response is signed over the same U.' },
  '4.2-exact-bytes': {
    section: 'protocol 4.2',
    says: 'Send exactly the bytes signed: no compression or rewriting after.',
  },
  '4.3-key-states': { section: 'protocol 4.3', says: 'keyVersion -> key, active, retiring or retired.' },
  '4.3-unknown-version': { section: 'protocol 4.3', says: 'Unknown version is KEY_NOT_FOUND.' },
  '4.3-any-version': {
    section: 'protocol 4.3',
    says: 'Switch anyKeyVersion tries the client’s active keys.',
  },
  '4.3-key-of-the-client': { section: 'protocol 4.3', says: 'Key ring per client.' },
  '4.4-other-apis': {
    section: 'protocol 4.4',
    says: 'Requests, responses, both directions, all APIs share one format: only our paths count.',
  },
  '4.4-boundary': {
    section: 'protocol 4.4',
    says: 'A moved boundary still verifies; closed by client allow-list, full match of Request-Time, body an object.',
  },
  '4.4-not-covered': {
    section: 'protocol 4.4',
    says: 'Content-Type, charset, algorithm, keyVersion, Agent-Token, tracerid never grant anything.',
  },
  '4.4-constant-bodies': { section: 'protocol 4.4', says: 'The response bodies are constants.' },
  '4.4-no-signature-elsewhere': {
    section: 'protocol 4.4',
    says: 'Nothing is signed for a path that is not configured.',
  },
  '5-null-is-absent': { section: 'protocol 5', says: 'Unused optionals are absent or null (same meaning).' },
  '5.1-ack-was-s': { section: 'protocol 5.1', says: 'Disagreements and defaults: worker; the ack was S.' },
  '6-no-interface': { section: 'protocol 6', says: 'NO_INTERFACE_DEF F: wrong path.' },
  '6-method': { section: 'protocol 6', says: 'METHOD_NOT_SUPPORTED F: not POST.' },
  '6-media-type': {
    section: 'protocol 6',
    says: 'MEDIA_TYPE_NOT_ACCEPTABLE F: Content-Type given but not JSON; unsupported charset or Content-Encoding.',
  },
  '6-invalid-client': { section: 'protocol 6', says: 'INVALID_CLIENT F: Client-Id missing or unknown.' },
  '6-key-not-found': { section: 'protocol 6', says: 'KEY_NOT_FOUND F: no key for (client, keyVersion).' },
  '6-invalid-signature': {
    section: 'protocol 6',
    says: 'INVALID_SIGNATURE F: missing, unparsable, wrong, other algorithm.',
  },
  '6-access-denied': { section: 'protocol 6', says: 'ACCESS_DENIED F: known client not allowed here.' },
  '6-size': { section: 'protocol 6', says: 'PARAM_ILLEGAL F: body over the size limit.' },
  '6-traffic': { section: 'protocol 6', says: 'REQUEST_TRAFFIC_EXCEED_LIMIT U: overload.' },
  '6-unknown-exception': {
    section: 'protocol 6',
    says: 'UNKNOWN_EXCEPTION U: internal failure, store unreachable, own time-out; always HTTP 200.',
  },
  '6-one-object': {
    section: 'protocol 6',
    says: '"Not one JSON object" includes invalid UTF-8, top-level array or scalar, trailing text.',
  },
  '6-bom': {
    section: 'protocol 6',
    says: 'A leading BOM is tolerated for parsing, but stays in B and raw.',
  },
  '6-long-lists': {
    section: 'protocol 6',
    says: '10,000 entries are 1.1 MB; small default limits do not do.',
  },
  '7-repeats': {
    section: 'protocol 7',
    says: 'Same or fresh Request-Time, signature, body on retry: be ready for all combinations.',
  },
  '10-sender-quirks': {
    section: 'protocol 10',
    says: 'Extra headers Key-Version, X-sdkVersion; pretty-printed bodies in any member order, null optionals.',
  },
  '10-sha-256': { section: 'protocol 10', says: 'One SDK accepts SHA-1: pin SHA-256.' },
  '11-plus': { section: 'protocol 11', says: 'A bare + is a plus: never form-decode.' },
  '11-base64': { section: 'protocol 11', says: 'Check alphabet and length of base64 first.' },
  '11-joined': { section: 'protocol 11', says: 'Repeated headers: joined ids and times fail by themselves.' },
  '11-odd-json': {
    section: 'protocol 11',
    says: 'Duplicate keys, 31 digits and the like: left to the worker; raw is the record.',
  },
  '11-raw-target': { section: 'protocol 11', says: 'new URL() folds "..": raw target.' },
  '12-minimal': { section: 'protocol 12', says: 'Strings to sign, path /notify/registration.' },
  'r-headers': { section: 'reliability 2.1', says: 'At most 64 headers, 16 KiB.' },
  'r-in-time': { section: 'reliability 2.1', says: 'headersTimeout, requestTimeout.' },
  'r-host': { section: 'reliability 2.1', says: 'No second Host.' },
  'r-never-inflate': {
    section: 'reliability 2.1',
    says: 'No Content-Encoding but identity (never inflate).',
  },
  'r-expect': {
    section: 'reliability 2.1',
    says: 'No Expect: 100 Continue only for a head that is admitted, and no expectation refuses.',
  },
  'r-upgrade': { section: 'reliability 2.1', says: 'No Upgrade, no tunnel.' },
  'r-smuggling': {
    section: 'reliability 2.1',
    says: 'llhttp refuses smuggling: HTTP 400 for what is no HTTP.',
  },
} as const satisfies Record<string, Statement>

export type StatementId = keyof typeof statements
