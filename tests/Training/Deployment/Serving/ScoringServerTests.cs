using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using Pascl.Tests.Training.Data.Formats;
using Pascl.Training.Deployment;
using Pascl.Training.Deployment.Serving;
using static Pascl.Tests.Training.Deployment.Serving.ServerRequests;

namespace Pascl.Tests.Training.Deployment.Serving;

/// <summary>A server on loopback in this process.</summary>
public sealed partial class ScoringServerTests : ServerFixture
{
    private const int Clients = 8;

    // float32 adds in another order in batches of another size.
    private const double Rounding = 1e-6;

    private static readonly ServeSettings settings = new()
    {
        Addresses = ["http://127.0.0.1:0"],
        BodyLimit = 100_000,
        PixelLimit = 1_000_000,
        ImageLimit = 4,
        Timeout = TimeSpan.FromSeconds(20),
    };

    [Test]
    public async Task concurrent_requests_get_the_numbers_that_scoring_gives_one_by_one()
    {
        byte[][] images = [.. Enumerable.Range(0, 300).Select(i => Noise(8 + (i % 5), i))];
        var expected = images.SelectMany(image => ScoringPipeline.Run(Model, [new ImageInput("image", () => image)])).Select(batch => batch[0].Score!).ToArray();
        await using var server = await ScoringServer.Start(Model, settings);
        var answers = await InParallel(images, image => Client.Score(server, Body(image)));
        Assert.Multiple(() =>
        {
            for (var i = 0; i < images.Length; i++)
            {
                using var json = JsonDocument.Parse(answers[i].Text);
                var image = json.RootElement.GetProperty("images")[0];
                Assert.That(answers[i].Code, Is.EqualTo(HttpStatusCode.OK));
                Assert.That(image.GetProperty("class").GetString(), Is.EqualTo(expected[i].Class));
                Assert.That(image.GetProperty("probability").GetDouble(), Is.EqualTo(expected[i].Probability).Within(Rounding));
                Assert.That(image.GetProperty("score").GetDouble(), Is.EqualTo(expected[i].Score).Within(Rounding));
                Assert.That(image.GetProperty("accepted").GetBoolean(), Is.EqualTo(image.GetProperty("score").GetDouble() <= -1.1));
                Assert.That(json.RootElement.GetProperty("score_name").GetString(), Is.EqualTo("energy"));
                Assert.That(json.RootElement.GetProperty("threshold").GetDouble(), Is.EqualTo(-1.1));
            }
        });

        var metrics = await Client.GetStringAsync(new Uri(Address(server), "metrics"));
        Assert.That(metrics.Trim().Split('\n'), Is.All.Matches<string>(line => MetricLine().IsMatch(line)));
        Assert.That(metrics, Does.Contain("pascl_requests_total{code=\"200\"} 300\n").And.Contain("pascl_request_seconds_count 300\n"));
        Assert.That(ImageCount().Matches(metrics).Sum(match => int.Parse(match.Groups[1].Value)), Is.EqualTo(300));
        var batches = int.Parse(Regex.Match(metrics, @"pascl_batch_images_count (\d+)").Groups[1].Value);
        Assert.That(batches, Is.LessThan(300), "concurrent images share batches");
    }

    [Test]
    public async Task a_form_is_answered_image_by_image_and_a_broken_one_spoils_no_other()
    {
        await using var server = await ScoringServer.Start(Model, settings);
        using var form = new MultipartFormDataContent
        {
            { Body(Noise(8, 1)), "image", "first.png" }, { Body("hello"u8.ToArray()), "image", "second.png" }, { Body(Noise(20, 2)), "image", "third.png" },
        };
        var (code, _, text) = await Client.Score(server, form);
        using var json = JsonDocument.Parse(text);
        var images = json.RootElement.GetProperty("images").EnumerateArray().ToArray();
        Assert.That(code, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(images.Select(image => image.GetProperty("source").GetString()), Is.EqualTo(["first.png", "second.png", "third.png"]));
        Assert.That(images.Select(image => image.TryGetProperty("score", out _)), Is.EqualTo([true, false, true]));
        Assert.That(images[1].GetProperty("error").GetString(), Does.StartWith("second.png is not an image"));
    }

    [Test]
    public async Task what_is_too_large_or_of_another_kind_is_refused_with_a_problem_that_names_nothing_of_the_server()
    {
        await using var server = await ScoringServer.Start(Model, settings);
        using var empty = new MultipartFormDataContent { { new StringContent("x"), "field" } };
        using var many = new MultipartFormDataContent();
        for (var i = 0; i < 5; i++)
        {
            many.Add(Body(Noise(8, i)), "image", $"{i}.png");
        }

        (HttpContent Content, int Code, string Sentence)[] cases =
        [
            (Body(new byte[200_000]), 413, "larger than 100,000 bytes"),
            (Body(TestImages.Plain(1100, 1000, 9)), 422, "1100 x 1000 pixels; this server takes 1,000,000"),
            (Body(Noise(30, 1).AsSpan(0, 900).ToArray()), 422, "The image is cut short"),
            (Body([]), 422, "The image is empty"),
            (new StringContent("hello"), 415, "A body of Content-Type text/plain; charset=utf-8 is not taken; send one image as the body"),
            (new ByteArrayContent([1]), 415, "A body without a Content-Type is not taken"),
            (Encoded("gzip"), 415, "A body with Content-Encoding gzip is not taken; send the image file as it is"),
            (Encoded("\"odd\""), 415, "A body with Content-Encoding of an unreadable name is not taken"),
            (empty, 400, "The form has no files"),
            (many, 413, "more than 4 files, which is all"),
        ];
        foreach (var (content, expected, sentence) in cases)
        {
            var (code, type, text) = await Client.Score(server, content);
            Assert.Multiple(() =>
            {
                Assert.That((int)code, Is.EqualTo(expected), text);
                Assert.That(type, Is.EqualTo("application/problem+json"));
                Assert.That(text, Does.Contain(sentence).And.Not.Contain(Folder.Path).And.Not.Contain("   at "));
            });
        }

        using var wrongMethod = await Client.GetAsync(new Uri(Address(server), "score"));
        using var nothing = await Client.GetAsync(new Uri(Address(server), "nothing"));
        Assert.That(((int)wrongMethod.StatusCode, (int)nothing.StatusCode), Is.EqualTo((405, 404)));
    }

    [Long]
    [Test]
    public async Task two_thousand_damaged_images_neither_end_the_server_nor_make_it_grow()
    {
        var random = new Random(5);
        byte[][] sources = [.. Enumerable.Range(0, 4).Select(i => Noise(128, i)), .. Directory.GetFiles(Repository.Root, "*.md")[..1].Select(File.ReadAllBytes)];
        byte[][] damaged = [.. Enumerable.Range(0, 2000).Select(i => Damage(sources[i % sources.Length], random))];
        await using var server = await ScoringServer.Start(Model, settings);
        var codes = (await InParallel(damaged, image => Client.Score(server, Body(image)))).Select(answer => answer.Code).ToArray();

        // The first times fill the heap, and the pools of every thread that scores; one more may not need more.
        for (var time = 0; time < 2; time++)
        {
            await InParallel(damaged, image => Client.Score(server, Body(image)));
        }

        var before = Memory();
        await InParallel(damaged, image => Client.Score(server, Body(image)));
        var growth = Memory() - before;
        TestContext.Out.WriteLine($"resident {before >> 20} MiB, then {growth >> 10} KiB more");
        Assert.Multiple(() =>
        {
            Assert.That(codes, Is.All.AnyOf(HttpStatusCode.OK, HttpStatusCode.UnprocessableEntity, HttpStatusCode.RequestEntityTooLarge));
            Assert.That(codes.Distinct().Count(), Is.GreaterThan(1));

            // A decoded picture that was not freed would be 64 KiB each time, 125 MiB in all.
            Assert.That(growth, Is.LessThan(32 << 20));
        });
        Assert.That(await Client.GetStringAsync(new Uri(Address(server), "healthz")), Is.EqualTo("ok\n"));
        Assert.That((await Client.Score(server, Body(Noise(8, 1)))).Code, Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task a_request_that_takes_too_long_is_ended()
    {
        await using var server = await ScoringServer.Start(Model, settings with { Timeout = TimeSpan.FromMilliseconds(200) });
        using var slow = await Unfinished(server);
        using var reader = new StreamReader(slow.GetStream());
        var head = await ReadHead(reader);
        Assert.That(head, Does.StartWith("HTTP/1.1 503 Service Unavailable").And.Contain("Retry-After: 1").And.Contain("application/problem+json"));
    }

    [Test]
    public async Task the_page_is_whole_and_may_load_nothing_from_elsewhere()
    {
        await using var server = await ScoringServer.Start(Model, settings);
        using var page = await Client.GetAsync(Address(server));
        var html = await page.Content.ReadAsStringAsync();
        Assert.That(page.Headers.GetValues("Content-Security-Policy").Single(), Does.StartWith("default-src 'none';"));
        Assert.That(html, Does.Contain("<label for=\"files\">").And.Contain("role=\"status\"").And.Not.Contain("://").And.Not.Contain("<style"));
        foreach (Match file in Regex.Matches(html, "(?:href|src)=\"([^\"]+)\""))
        {
            Assert.That(await Client.GetStringAsync(new Uri(Address(server), file.Groups[1].Value)), Is.Not.Empty.And.Not.Contain("://"));
        }
    }

    private static byte[] Damage(byte[] image, Random random)
    {
        var damaged = image[..random.Next(random.Next(4) == 0 ? 1 : image.Length, image.Length + 1)];
        for (var i = random.Next(1, 20); i > 0 && damaged.Length > 0; i--)
        {
            // Half of it in the header, where it decides about sizes and formats.
            damaged[random.Next(2) == 0 ? random.Next(Math.Min(64, damaged.Length)) : random.Next(damaged.Length)] = (byte)random.Next(256);
        }

        return damaged;
    }

    private static long Memory()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        return Environment.WorkingSet;
    }

    private static ByteArrayContent Encoded(string encoding)
    {
        var body = Body(Noise(8, 1));
        body.Headers.TryAddWithoutValidation("Content-Encoding", encoding);
        return body;
    }

    private static async Task<T[]> InParallel<T>(byte[][] items, Func<byte[], Task<T>> work)
    {
        var results = new T[items.Length];
        await Parallel.ForAsync(0, items.Length, new ParallelOptions { MaxDegreeOfParallelism = Clients }, async (i, _) => results[i] = await work(items[i]));
        return results;
    }

    [GeneratedRegex(@"^(# (HELP|TYPE) \w+ .+|\w+(\{\w+=""[^""]*""(,\w+=""[^""]*"")*\})? [-+.\deEInfNa]+)$")]
    private static partial Regex MetricLine();

    [GeneratedRegex(@"pascl_images_total\{[^}]+\} (\d+)")]
    private static partial Regex ImageCount();
}
