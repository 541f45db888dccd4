# One image for every process; the command says which: `services/ingress/src/main.ts` and so on.
FROM node:24-bookworm-slim AS dependencies
WORKDIR /signalbox
COPY . .
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund \
      --workspace=services/ingress --workspace=services/processor --workspace=services/alerts \
      --workspace=services/console --workspace=services/simulator

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /signalbox
COPY --from=dependencies /signalbox/package.json ./
COPY --from=dependencies /signalbox/node_modules ./node_modules
COPY --from=dependencies /signalbox/packages ./packages
COPY --from=dependencies /signalbox/services ./services
# The folder of the sandbox volume has to belong to the user who writes into it.
RUN mkdir /sandbox && chown node:node /sandbox
USER node
ENTRYPOINT ["node"]
