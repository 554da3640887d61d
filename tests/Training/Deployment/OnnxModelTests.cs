using System.Text.Json;
using Google.Protobuf;
using Pascl.Training.Data;
using Pascl.Training.Deployment;
using Pascl.Training.Deployment.Onnx;
using Pascl.Training.Evaluation;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using TorchSharp;

namespace Pascl.Tests.Training.Deployment;

public sealed class OnnxModelTests
{
    [OneTimeSetUp]
    public void RequireLibrary() => OnnxLibrary.Require();

    [TestCase(4, 1, 32, 32, PixelType.UInt8)]
    [TestCase(4, 3, 32, 32, PixelType.Float)]
    [TestCase(8, 7, 32, 32, PixelType.UInt8)]
    [TestCase(8, 3, 17, 23, PixelType.Float)]
    [TestCase(4, 7, 8, 9, PixelType.UInt8)]
    [TestCase(4, 1, 1, 1, PixelType.UInt8)]
    public void both_branches_agree_with_torch_on_batches_and_images_of_any_size(int width, int count, int rows, int columns, PixelType input)
    {
        using var network = SmallNetworks.Create(width);
        var agreement = Compare(network, SmallNetworks.Deployed(network), input, SmallNetworks.Images(count, rows, columns));
        Assert.That(agreement.Largest, Is.LessThan(OnnxAgreement.Allowed));
        Assert.That(agreement.Images, Is.EqualTo(count));
    }

    [Test]
    public void the_deeper_network_agrees_too()
    {
        using var network = SmallNetworks.Create(4, network: "resnet34");
        Assert.That(Compare(network, SmallNetworks.Deployed(network), PixelType.UInt8, SmallNetworks.Images(3, 16, 16)).Holds);
    }

    [TestCase("msp")]
    [TestCase("max-logit")]
    [TestCase("energy")]
    [TestCase("energy:temperature=2.5")]
    [TestCase("entropy")]
    public void every_score_agrees_with_its_definition_in_double(string score)
    {
        using var network = SmallNetworks.Create(4);
        var agreement = Compare(network, SmallNetworks.Deployed(network, score), PixelType.UInt8, SmallNetworks.Images(7, 16, 16));
        Assert.That(agreement.Scores, Is.LessThan(1e-5));
    }

    [TestCase(Method.Cocl, null, 40, 1)]
    [TestCase(Method.Cocl, null, 40, 40)]
    [TestCase(Method.Cocl, "energy", 40, 1)]
    [TestCase(Method.Eat, null, 20, 1)]
    [TestCase(Method.Eat, null, 20, 40)]
    [TestCase(Method.Eat, "msp", 40, 1)]
    public void a_method_with_more_outputs_than_classes_is_read_as_it_reads_itself(string method, string? score, int convolutions, double scale)
    {
        using var network = SmallNetworks.Create(4, TinyTraining.Recipe with { Method = method });
        using (torch.no_grad())
        {
            network.state_dict()["linear.weight"].mul_(scale);
            network.state_dict()["auxiliary_linear.weight"].mul_(scale);
        }

        var deployed = SmallNetworks.Deployed(network, score);
        var agreement = Compare(network, deployed, PixelType.UInt8, SmallNetworks.Images(9, 16, 16));
        Assert.Multiple(() =>
        {
            Assert.That(agreement.Largest, Is.LessThan(1e-5));
            Assert.That(deployed.Score.Name, Is.EqualTo(score ?? Readout.Of(network).ScoreName));
            Assert.That(
                OnnxModel.Create(deployed, PixelType.UInt8).Graph.Node.Count(node => node.OpType == "Conv"), Is.EqualTo(convolutions),
                "a branch that nothing is read from is left out");
        });
    }

    [Test]
    public void the_class_is_the_auxiliary_branchs_and_the_score_the_main_branchs()
    {
        using var network = SmallNetworks.Create(4);
        var images = SmallNetworks.Images(7, 16, 16);
        var torch = Predictions.Of(network, images);
        var outputs = Run(SmallNetworks.Deployed(network), images);
        var logits = new Logits(outputs.Logits, 5);
        Assert.Multiple(() =>
        {
            for (var i = 0; i < images.Count; i++)
            {
                Assert.That(logits[i].ToArray(), Is.EqualTo(torch.Auxiliary[i].ToArray()).Within(1e-4));
                Assert.That(logits[i].ToArray(), Is.Not.EqualTo(torch.Main[i].ToArray()).Within(1e-2), "the branches of the test differ");
                Assert.That(outputs.Scores[i], Is.EqualTo(Softmax.OneMinusMaximum(torch.Main[i])).Within(1e-5));
                Assert.That(outputs.Scores[i], Is.Not.EqualTo(Softmax.OneMinusMaximum(torch.Auxiliary[i])).Within(1e-3));
            }
        });
    }

    [Test]
    public void a_model_of_another_network_or_with_other_statistics_does_not_hold()
    {
        using var network = SmallNetworks.Create(4);
        using var other = SmallNetworks.Create(4, seed: 2);
        var images = SmallNetworks.Images(7, 16, 16);
        Assert.That(Compare(other, SmallNetworks.Deployed(network), PixelType.UInt8, images).Holds, Is.False);

        var bytes = OnnxModel.Create(SmallNetworks.Deployed(network), PixelType.UInt8).ToByteArray();
        using (torch.no_grad())
        {
            network.state_dict()["layer3.0.bn2.auxiliary.running_mean"].add_(0.5);
        }

        var changed = OnnxVerification.Compare(bytes, SmallNetworks.Deployed(network), PixelType.UInt8, images);
        Assert.That(changed.Logits, Is.GreaterThan(OnnxAgreement.Allowed));
        Assert.That(changed.Scores, Is.LessThan(OnnxAgreement.Allowed), "the main branch is as it was");
    }

    [Test]
    public void msp_keeps_its_precision_where_one_minus_the_maximum_would_be_zero()
    {
        using var network = SmallNetworks.Create(4);
        using (torch.no_grad())
        {
            network.state_dict()["linear.weight"].mul_(300);
        }

        var images = SmallNetworks.Images(7, 16, 16);
        var expected = Predictions.Of(network, images).Main.Scores(logits => Softmax.OneMinusMaximum(logits));
        Assert.That(expected, Has.Some.LessThan(1e-8), "1 - p rounds to zero in float32 below 6e-8");
        var scores = Run(SmallNetworks.Deployed(network), images).Scores;
        Assert.Multiple(() =>
        {
            for (var i = 0; i < scores.Length; i++)
            {
                Assert.That(scores[i], Is.EqualTo(expected[i]).Within(1).Percent);
            }
        });
    }

    [Test]
    public void equal_logits_give_the_score_of_a_uniform_prediction()
    {
        using var network = SmallNetworks.Create(4);
        using (torch.no_grad())
        {
            network.state_dict()["linear.weight"].zero_();
            network.state_dict()["linear.bias"].zero_();
        }

        Assert.That(Run(SmallNetworks.Deployed(network), SmallNetworks.Images(3, 8, 8)).Scores, Is.All.EqualTo(0.8f).Within(1e-6));
    }

    [Test]
    public void images_up_to_the_threshold_are_accepted()
    {
        using var network = SmallNetworks.Create(4);
        var images = SmallNetworks.Images(7, 16, 16);
        var scores = Run(SmallNetworks.Deployed(network), images).Scores;
        var median = scores.Order().ElementAt(3);
        var outputs = Run(SmallNetworks.Deployed(network, threshold: median), images);
        Assert.That(outputs.Accepted, Is.EqualTo(scores.Select(score => score <= median)));
        Assert.That(outputs.Accepted!.Count(accepted => accepted), Is.EqualTo(4));
        Assert.That(Run(SmallNetworks.Deployed(network, threshold: median - 1e-9), images).Accepted!.Count(accepted => accepted), Is.EqualTo(4),
            "a threshold between two float32 numbers is rounded up, so that the image that defined it is accepted");
        Assert.That(Run(SmallNetworks.Deployed(network), images).Accepted, Is.Null);
    }

    [Test]
    public void the_model_says_what_it_is()
    {
        using var network = SmallNetworks.Create(4);
        var message = OnnxModel.Create(SmallNetworks.Deployed(network, "energy", -1.25), PixelType.Float);
        using var session = new OnnxSession(message.ToByteArray());
        Assert.Multiple(() =>
        {
            Assert.That(message.OpsetImport.Single().Version, Is.EqualTo(17));
            Assert.That(message.ProducerName, Is.EqualTo("Pascl"));
            Assert.That(session.Outputs, Is.EqualTo(["logits", "probabilities", "ood_score", "accepted"]));
            Assert.That(JsonSerializer.Deserialize<string[]>(session.Metadata["class_names"]), Has.Length.EqualTo(5).And.Member("class 4"));
            Assert.That(session.Metadata["image_size"], Is.EqualTo("32"));
            Assert.That(session.Metadata["score"], Is.EqualTo("energy"));
            Assert.That(session.Metadata["threshold"], Is.EqualTo("-1.25"));
        });
    }

    // TopK, by which logits can be sorted, ended the process here. Networks of few channels get a sentence of ONNX Runtime, whose own layout of 8 channels cannot be empty.
    [Test]
    public void a_batch_of_no_image_has_no_answers_and_does_not_end_the_process([Values("msp", "max-logit", "energy", "entropy")] string score)
    {
        using var network = SmallNetworks.Create(16);
        using var session = new OnnxSession(OnnxModel.Create(SmallNetworks.Deployed(network, score, 0.5), PixelType.UInt8).ToByteArray());
        var outputs = session.Run(SmallNetworks.Images(3, 16, 16).Select([]), PixelType.UInt8);
        Assert.That((outputs.Logits.Length, outputs.Probabilities.Length, outputs.Scores.Length, outputs.Accepted!.Length), Is.EqualTo((0, 0, 0, 0)));
        using var narrow = SmallNetworks.Create(4);
        using var other = new OnnxSession(OnnxModel.Create(SmallNetworks.Deployed(narrow, score, 0.5), PixelType.UInt8).ToByteArray());
        var refusal = Assert.Catch<Microsoft.ML.OnnxRuntime.OnnxRuntimeException>(() => other.Run(SmallNetworks.Images(3, 16, 16).Select([]), PixelType.UInt8));
        Assert.That(refusal!.Message, Does.Contain("Reshape"));
    }

    [Test]
    public void verification_takes_at_most_two_thousand_images_from_the_whole_set()
    {
        var labels = Enumerable.Range(0, 2500).Select(i => i / 250).ToArray();
        var set = new ImageSet("sorted", new PixelBlock(labels.Length, 1, 1), labels, [.. Enumerable.Range(0, 10).Select(label => $"{label}")]);
        Assert.That(OnnxVerification.Choose(set).CountPerClass(), Is.All.EqualTo(200));
        Assert.That(OnnxVerification.Choose(SmallNetworks.Images(7, 1, 1)).Count, Is.EqualTo(7));
    }

    [Test]
    public void a_network_that_cannot_be_verified_leaves_the_old_file_as_it_was()
    {
        using var folder = new TemporaryFolder();
        using var network = SmallNetworks.Create(4);
        var path = folder.Write("model.onnx", "old");
        using (torch.no_grad())
        {
            network.state_dict()["linear.bias"].fill_(float.NaN);
        }

        Assert.That(
            () => OnnxExport.Write(path, SmallNetworks.Deployed(network), PixelType.UInt8, SmallNetworks.Images(3, 8, 8)),
            Throws.TypeOf<Pascl.Training.InputException>().With.Message.Contains("logit of NaN"));
        Assert.That(File.ReadAllText(path), Is.EqualTo("old"));
        Assert.That(Directory.GetFiles(folder.Path), Has.Length.EqualTo(1));
    }

    private static OnnxAgreement Compare(DualBranchNetwork exported, DeployedModel deployed, PixelType input, ImageSet images) =>
        OnnxVerification.Compare(OnnxModel.Create(deployed with { Network = exported }, input).ToByteArray(), deployed, input, images);

    private static OnnxOutputs Run(DeployedModel deployed, ImageSet images)
    {
        using var session = new OnnxSession(OnnxModel.Create(deployed, PixelType.UInt8).ToByteArray());
        return session.Run(images, PixelType.UInt8);
    }
}
