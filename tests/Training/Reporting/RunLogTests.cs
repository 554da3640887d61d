using System.Text.Json;
using Pascl.Tests.Training.Checkpoints;
using Pascl.Training;
using Pascl.Training.Reporting;

namespace Pascl.Tests.Training.Reporting;

public sealed class RunLogTests
{
    private string folder = "";

    private string Target => Path.Combine(folder, "log.jsonl");

    [SetUp]
    public void CreateFolder() => folder = Directory.CreateTempSubdirectory("pascl-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(folder, recursive: true);

    [Test]
    public void a_line_is_json_with_the_names_in_snake_case()
    {
        using (var log = RunLog.Open(Target))
        {
            log.Write(Reports.At(epoch: 2, step: 3));
        }

        using var line = JsonDocument.Parse(File.ReadAllLines(Target).Single());
        Assert.Multiple(() =>
        {
            Assert.That(line.RootElement.GetProperty("phase").GetString(), Is.EqualTo("representation"));
            Assert.That(line.RootElement.GetProperty("total_step").GetInt64(), Is.EqualTo(51));
            Assert.That(line.RootElement.GetProperty("losses").GetProperty("outlier").GetDouble(), Is.EqualTo(2.571));
            Assert.That(line.RootElement.GetProperty("learning_rate").GetDouble(), Is.EqualTo(0.00098));
            Assert.That(line.RootElement.GetProperty("images_per_second").GetDouble(), Is.EqualTo(512.4));
            Assert.That(line.RootElement.GetProperty("data_wait_share").GetDouble(), Is.EqualTo(0.031));
            Assert.That(line.RootElement.GetProperty("resident_bytes").GetInt64(), Is.EqualTo(1 << 30));
        });
    }

    [Test]
    public void a_line_of_an_older_version_says_nothing_of_waiting()
    {
        using (var log = RunLog.Open(Target))
        {
            log.Write(Reports.At(epoch: 2, step: 3));
        }

        File.WriteAllText(Target, File.ReadAllText(Target).Replace("\"data_wait_share\":0.031,", "", StringComparison.Ordinal));
        Assert.That(RunLog.Read(Target).Single().DataWaitShare, Is.Zero);
        Assert.That(File.ReadAllText(Target), Does.Not.Contain("data_wait_share"));
    }

    [Test]
    public void what_was_written_comes_back_while_the_log_is_open()
    {
        var reports = Reports.First(60).ToList();
        reports.Add(reports[0] with { Losses = new Dictionary<string, double> { ["loss"] = double.NaN } });
        using var log = RunLog.Open(Target);
        reports.ForEach(log.Write);
        var read = RunLog.Read(Target);
        Assert.Multiple(() =>
        {
            Assert.That(
                read.Select(report => report with { Losses = reports[0].Losses }),
                Is.EqualTo(reports.Select(report => report with { Losses = reports[0].Losses })));
            Assert.That(read.Select(report => report.Losses["loss"]), Is.EqualTo(reports.Select(report => report.Losses["loss"])));
            Assert.That(log.Length, Is.EqualTo(new FileInfo(Target).Length));
        });
    }

    [Long]
    [Test]
    public void resuming_at_any_checkpoint_after_a_kill_at_any_byte_repeats_no_step()
    {
        var reports = Reports.First(6).ToList();
        var lengths = new List<long> { 0 };
        using (var log = RunLog.Open(Target))
        {
            foreach (var report in reports)
            {
                log.Write(report);
                lengths.Add(log.Length);
            }
        }

        var whole = File.ReadAllBytes(Target);
        for (var kept = 0; kept <= reports.Count; kept++)
        {
            for (var killedAt = lengths[kept]; killedAt <= whole.Length; killedAt += 7)
            {
                File.WriteAllBytes(Target, whole[..(int)killedAt]);
                using (var log = RunLog.Open(Target, lengths[kept]))
                {
                    Assert.That(log.Length, Is.EqualTo(lengths[kept]));
                    reports.Skip(kept).ToList().ForEach(log.Write);
                }

                Assert.That(File.ReadAllBytes(Target), Is.EqualTo(whole), $"checkpoint after {kept} steps, killed at byte {killedAt}");
            }
        }
    }

    [Test]
    public void a_log_shorter_than_the_checkpoint_says_keeps_its_whole_lines()
    {
        using (var log = RunLog.Open(Target))
        {
            Reports.First(3).ToList().ForEach(log.Write);
        }

        var whole = File.ReadAllBytes(Target);
        File.WriteAllBytes(Target, whole[..^5]);
        using (RunLog.Open(Target, whole.Length))
        {
        }

        Assert.That(RunLog.Read(Target), Has.Count.EqualTo(2));
    }

    [Test]
    public void reading_names_a_damaged_line()
    {
        File.WriteAllText(Target, "{\"phase\":\"a\"}\n");
        Assert.That(() => RunLog.Read(Target), Throws.TypeOf<InputException>().With.Message.Contains($"{Target} is damaged in line 1"));
    }

    [Test]
    public void a_log_that_cannot_be_written_is_named()
    {
        Directory.CreateDirectory(Target);
        Assert.That(() => RunLog.Open(Target), Throws.TypeOf<InputException>().With.Message.Contains(Target));
    }

    [Test]
    [Platform("Linux")]
    public void a_full_disk_ends_with_a_sentence()
    {
        using var disk = SmallDisk.Mount(folder, kilobytes: 16);
        var log = RunLog.Open(Target);
        Assert.That(
            () => Reports.First(200).ToList().ForEach(log.Write),
            Throws.TypeOf<InputException>().With.Message.Contains("no space is left on the disk; the last checkpoint is whole"));
        Assert.That(log.Dispose, Throws.Nothing);
        var written = RunLog.Read(Target).Count;
        using var again = RunLog.Open(Target, new FileInfo(Target).Length);
        Assert.That(RunLog.Read(Target), Has.Count.EqualTo(written).And.Count.GreaterThan(10), "whole lines stay, the torn one goes");
    }
}
