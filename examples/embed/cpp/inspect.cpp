// Decides on camera frames with a model from `beltline bundle line.beltline --unpack FOLDER`.
//
//   inspect FOLDER/open_vino/model.xml FRAME.pgm [FRAME.ppm ...]
//
// Prints a line for each frame: its name, the score in [0, 1], and `pass` or `reject`. Resizing, normalisation and the
// score are inside the model: it takes the frame as the camera gives it (uint8, height x width x channels), nothing
// must be computed here. The threshold stands in the model file, too. Exit code 2: bad input, with one message.
#include <cstdint>
#include <exception>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include <openvino/openvino.hpp>

struct Frame {
    size_t height, width, channels;
    std::vector<uint8_t> pixels;  // row by row, RGB or grey
};

// Netpbm (P5 grey, P6 RGB), as golden frames are stored; in your program this is the camera's buffer.
Frame read_frame(const std::string& path) {
    constexpr size_t most_pixels = 1 << 28;
    std::ifstream file(path, std::ios::binary);
    std::string kind;
    size_t width = 0, height = 0, largest = 0;
    file >> kind >> width >> height >> largest;
    file.get();
    if (!file || (kind != "P5" && kind != "P6") || largest != 255 || width == 0 || height == 0 ||
        width > most_pixels / height)
        throw std::runtime_error(path + ": wanted a frame as Netpbm (P5 or P6, 8 bits), got something else");
    Frame frame{height, width, kind == "P5" ? size_t{1} : size_t{3}, {}};
    frame.pixels.resize(frame.height * frame.width * frame.channels);
    if (!file.read(reinterpret_cast<char*>(frame.pixels.data()), static_cast<std::streamsize>(frame.pixels.size())))
        throw std::runtime_error(path + ": the frame is cut off");
    return frame;
}

class Inspector {
public:
    explicit Inspector(const std::string& path) {
        ov::Core core;
        const auto model = core.read_model(path);
        if (!model->has_rt_info("model_info", "image_threshold"))
            throw std::runtime_error(path + ": no threshold in it; write it with `beltline bundle --unpack`");
        threshold_ = std::stod(model->get_rt_info<std::string>("model_info", "image_threshold"));
        // One frame at a time, answered as soon as possible, in float32: as it was measured.
        request_ = core.compile_model(model, "CPU",
                                      ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY),
                                      ov::num_streams(1),
                                      ov::hint::inference_precision(ov::element::f32))
                       .create_infer_request();
    }

    double score(Frame& frame) {
        const ov::Shape shape{frame.height, frame.width, frame.channels};
        request_.set_tensor("frame", ov::Tensor(ov::element::u8, shape, frame.pixels.data()));  // no copy
        request_.infer();  // refuses a frame of another size than the model takes
        return request_.get_tensor("score").data<float>()[0];
    }

    bool rejects(double score) const { return score >= threshold_; }

private:
    ov::InferRequest request_;
    double threshold_ = 0;
};

int main(int count, char** arguments) try {
    if (count < 3) throw std::runtime_error("wanted: inspect MODEL.xml FRAME ...");
    Inspector inspector(arguments[1]);
    std::cout << std::setprecision(std::numeric_limits<double>::max_digits10);
    for (int at = 2; at < count; ++at) {
        Frame frame = read_frame(arguments[at]);
        const double score = inspector.score(frame);
        std::cout << arguments[at] << ' ' << score << ' ' << (inspector.rejects(score) ? "reject" : "pass") << '\n';
    }
    return 0;
} catch (const std::exception& error) {
    std::cerr << "inspect: " << error.what() << '\n';
    return 2;
}
