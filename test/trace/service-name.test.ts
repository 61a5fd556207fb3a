import { expect, test } from "vitest";
import { HOST_RULES, hostOf, needsRule, serviceNameOf } from "../../src/trace/service-name.ts";

const NONE = "upstash-workflow";

test.each([
  ["app.example.com", "app.example.com", false],
  ["8.8.8.8", "8.8.8.8", false],
  ["", NONE, true],
  ["localhost", NONE, true],
  ["app.localhost", NONE, true],
  ["host.docker.internal", NONE, true],
  ["127.0.0.1", NONE, true],
  ["0.0.0.0", NONE, true],
  ["10.1.2.3", NONE, true],
  ["172.16.0.9", NONE, true],
  ["172.32.0.9", "172.32.0.9", false],
  ["192.168.1.1", NONE, true],
  ["169.254.1.1", NONE, true],
  ["[::1]", NONE, true],
  ["[fd00::1]", NONE, true],
  ["[fe80::1]", NONE, true],
  ["[::ffff:7f00:1]", NONE, true],
  ["[2001:db8::1]", "[2001:db8::1]", false],
  ["feasible-eft-notably.ngrok-free.app", NONE, true],
  ["abc.eu.ngrok.io", NONE, true],
  ["ngrok.io", "ngrok.io", false],
  ["some-four-random-words.trycloudflare.com", NONE, true],
  ["x.loca.lt", NONE, true],
  ["name-3000.app.github.dev", NONE, true],
  ["shop.vercel.app", "shop.vercel.app", false],
  ["shop-git-main-acme.vercel.app", "shop.vercel.app", true],
  ["my-shop-git-feature-x-1-acme-team.vercel.app", "my-shop.vercel.app", true],
  ["my-shop-9xk2hqf3v-acme.vercel.app", "my-shop.vercel.app", true],
  ["my-shop-9xk2hqf3v-acme-team.vercel.app", "my-shop.vercel.app", true],
  ["my-shop-abcdefgh1.vercel.app", "my-shop.vercel.app", true],
  ["shop-checkouts-v2.vercel.app", "shop-checkouts-v2.vercel.app", false],
  ["deploy-preview-12--shop.netlify.app", "shop.netlify.app", true],
  ["shop.netlify.app", "shop.netlify.app", false],
  ["8f3a2b1c.shop.pages.dev", "shop.pages.dev", true],
  ["shop.pages.dev", "shop.pages.dev", false],
  ["shop-pr-12.onrender.com", "shop.onrender.com", true],
  ["shop.onrender.com", "shop.onrender.com", false],
])("the service of host %j is %j", (host, name, guessed) => {
  expect(serviceNameOf(host)).toBe(name);
  expect(needsRule(host)).toBe(guessed);
});

test("all deployments of one project are one service", () => {
  const hosts = ["shop.vercel.app", "shop-git-main-acme.vercel.app", "shop-git-fix-2-acme.vercel.app", "shop-a1b2c3d4e-acme.vercel.app"];
  expect(new Set(hosts.map(serviceNameOf))).toEqual(new Set(["shop.vercel.app"]));
});

test("every row of the table says which hosts it is for", () => {
  expect(new Set(HOST_RULES.map((rule) => rule.hosts)).size).toBe(HOST_RULES.length);
});

test.each([
  ["https://user:pw@App.Example.com:8443/x", "app.example.com"],
  ["http://[::1]:3000/", "[::1]"],
  ["no url", ""],
  ["", ""],
])("the host of %j is %j", (url, host) => expect(hostOf(url)).toBe(host));
