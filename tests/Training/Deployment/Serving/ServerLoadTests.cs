using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Pascl.Tests.Training.Data.Formats;
using Pascl.Training.Deployment.Serving;
using SkiaSharp;
using static Pascl.Tests.Training.Deployment.Serving.ServerRequests;

namespace Pascl.Tests.Training.Deployment.Serving;

/// <summary>A server that is asked for more than it can do.</summary>
public sealed class ServerLoadTests : ServerFixture
{
    private static readonly ServeSettings settings = new() { Addresses = ["http://127.0.0.1:0"], Timeout = TimeSpan.FromSeconds(60) };

    [Long]
    [Test]
    public async Task a_busy_server_turns_requests_away_and_says_when_to_come_back()
    {
        // The first image waits for company, which is turned away.
        await using var server = await ScoringServer.Start(Model, settings with { RequestLimit = 1, Wait = TimeSpan.FromSeconds(5), Workers = 1 });
        var first = Client.Score(server, Body(Noise(8, 1)));
        await Until(server, "pascl_places_taken", value => value == 1);
        using (var answer = await Client.PostAsync(new Uri(Address(server), "score"), Body(Noise(8, 2))))
        {
            Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.ServiceUnavailable));
            Assert.That(answer.Headers.RetryAfter?.Delta, Is.EqualTo(TimeSpan.FromSeconds(1)));
            Assert.That(answer.Content.Headers.ContentType?.MediaType, Is.EqualTo("application/problem+json"));
        }

        Assert.That((await first).Code, Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await Client.GetAsync(new Uri(Address(server), "healthz"))).StatusCode, Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task senders_who_take_their_time_take_no_places()
    {
        await using var server = await ScoringServer.Start(Model, settings with { RequestLimit = 1 });
        var slow = new List<TcpClient>();
        for (var i = 0; i < 20; i++)
        {
            slow.Add(await Unfinished(server));
        }

        await Until(server, "pascl_requests_in_flight", value => value == 20);
        for (var i = 0; i < 5; i++)
        {
            Assert.That((await Client.Score(server, Body(Noise(8, i)))).Code, Is.EqualTo(HttpStatusCode.OK));
        }

        slow.ForEach(connection => connection.Dispose());
        await Until(server, "pascl_body_bytes", value => value == 0);
    }

    [Test]
    public async Task bodies_that_fill_the_memory_are_turned_away_and_what_they_held_is_freed()
    {
        const int half = 150_000;
        await using var server = await ScoringServer.Start(Model, settings with { BodyLimit = 2 * half, BodiesLimit = 2 * half, ImageLimit = 1 });
        using var slow = await Unfinished(server, 2 * half, new string('x', half));
        await Until(server, "pascl_body_bytes", value => value >= half);
        var (code, _, text) = await Client.Score(server, Body(new byte[2 * half]));
        Assert.That((int)code, Is.EqualTo(503), text);
        Assert.That(text, Does.Contain("fill this server's memory"));
        Assert.That((await Client.Score(server, Body(Noise(8, 1)))).Code, Is.EqualTo(HttpStatusCode.OK), "a small one fits");
        slow.Dispose();
        await Until(server, "pascl_body_bytes", value => value == 0);
        Assert.That((await Client.Score(server, Body(new byte[2 * half]))).Code, Is.EqualTo(HttpStatusCode.UnprocessableEntity), "all of it is free again");
    }

    [Test]
    public async Task a_request_of_too_many_pixels_is_refused_before_any_is_decoded()
    {
        await using var server = await ScoringServer.Start(Model, settings with { PixelLimit = 30_000, RequestPixelLimit = 100_000 });
        var image = TestImages.Plain(200, 150, 9);
        var (code, _, text) = await Client.Score(server, Form(Enumerable.Repeat(image, 4)));
        Assert.That((int)code, Is.EqualTo(413));
        Assert.That(text, Does.Contain("The images have 120,000 pixels in all; this server takes 100,000 in one request."));
        Assert.That((await Client.Score(server, Form(Enumerable.Repeat(image, 3)))).Code, Is.EqualTo(HttpStatusCode.OK));

        // What is not decoded costs nothing.
        var tooLarge = TestImages.Plain(200, 200, 9);
        Assert.That((await Client.Score(server, Form([tooLarge, tooLarge, tooLarge, image]))).Code, Is.EqualTo(HttpStatusCode.OK));
    }

    [Long]
    [Test]
    public async Task more_large_images_than_can_be_answered_in_time_are_turned_away_and_small_ones_are_not()
    {
        var black = Black(2000, 1000);
        await using var server = await ScoringServer.Start(
            Model, settings with { RequestPixelLimit = 4_000_000, QueuedPixelLimit = 4_000_000, Wait = TimeSpan.FromSeconds(5), Workers = 1 });
        var first = Client.Score(server, Form(black, black));
        await Until(server, "pascl_queued_pixels", value => value == 4_000_000);
        var (code, _, text) = await Client.Score(server, Form(black, black));
        Assert.That((int)code, Is.EqualTo(503));
        Assert.That(text, Does.Contain("The large images of other requests are as many as this server takes at one time; send the request again in a moment."));
        Assert.That((await Client.Score(server, Body(Noise(8, 1)))).Code, Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await first).Code, Is.EqualTo(HttpStatusCode.OK));
        await Until(server, "pascl_queued_pixels", value => value == 0);
    }

    [Long]
    [Test]
    public async Task forms_of_large_images_do_not_delay_others()
    {
        var black = Black(5000, 5000);
        await using var server = await ScoringServer.Start(Model, settings with { Timeout = TimeSpan.FromSeconds(120), QueuedPixelLimit = 400_000_000 });
        var forms = Enumerable.Range(0, 4).Select(_ => Client.Score(server, Form(Enumerable.Repeat(black, 3)))).ToArray();
        await Until(server, "pascl_queued_pixels", value => value == 300_000_000);
        var longest = TimeSpan.Zero;
        for (var i = 0; i < 20; i++)
        {
            var start = Stopwatch.GetTimestamp();
            Assert.That((await Client.Score(server, Body(Noise(32, i)))).Code, Is.EqualTo(HttpStatusCode.OK));
            longest = TimeSpan.FromTicks(Math.Max(longest.Ticks, Stopwatch.GetElapsedTime(start).Ticks));
        }

        // However slow the machine is: twenty small images, one after the other, are done before any of the large ones. docs/serving.md has the times.
        Assert.That(forms, Is.All.Matches<Task>(form => !form.IsCompleted), "large images are still being decoded");
        TestContext.Out.WriteLine($"longest {longest.TotalMilliseconds:0} ms");
        foreach (var form in forms)
        {
            Assert.That((await form).Code, Is.EqualTo(HttpStatusCode.OK));
        }
    }

    [Test]
    public void senders_take_turns_and_small_items_come_first_but_none_waits_for_ever()
    {
        var queue = new FairQueue<string>();
        var (many, one, large) = (new SenderTurns(), new SenderTurns(), new SenderTurns());
        for (var i = 0; i < 5; i++)
        {
            queue.Add($"many {i}", many, 10);
        }

        queue.Add("large", large, 35);
        queue.Add("one", one, 1);
        var order = new List<string>();
        while (queue.TryTake(out var item, TimeSpan.Zero))
        {
            order.Add(item);
        }

        Assert.That(order, Is.EqualTo(["one", "many 0", "many 1", "many 2", "large", "many 3", "many 4"]));
        queue.Complete();
        Assert.That(queue.TryTake(out _, Timeout.InfiniteTimeSpan), Is.False);
    }

    private static byte[] Black(int width, int height)
    {
        using var bitmap = new SKBitmap(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque));
        using var data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return data.ToArray();
    }

    private async Task Until(ScoringServer server, string metric, Func<double, bool> condition)
    {
        for (var attempt = 0; ; attempt++)
        {
            var text = await Client.GetStringAsync(new Uri(Address(server), "metrics"));
            if (condition(double.Parse(Regex.Match(text, $@"^{metric} (\S+)$", RegexOptions.Multiline).Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture)))
            {
                return;
            }

            Assert.That(attempt, Is.LessThan(300), $"{metric} never was as expected");
            await Task.Delay(50);
        }
    }
}
